/**
 * Where an entity came from. `path` is the place in the file's message (`graph.node[12]`), `from` are the
 * locations it replaced, `pass` the pass that made it.
 */
export interface Loc {
  readonly file: string;
  readonly path: string;
  readonly name?: string;
  readonly from?: readonly Loc[];
  readonly pass?: string;
}

/** The location of something a pass made, fused from the locations it replaces. */
export function madeBy(pass: string, from: readonly Loc[]): Loc {
  return { file: from[0]?.file ?? "", path: from[0]?.path ?? "", from, pass };
}

/** `graph.node[3]`, or `(outline-mlp from graph.node[3..9])` for something a pass made. */
export function locText(loc: Loc): string {
  if (loc.pass === undefined) return loc.path;
  const [first, last] = [loc.from?.[0], loc.from?.at(-1)];
  if (first === undefined) return `made by ${loc.pass}`;
  return `made by ${loc.pass} from ${first.path}${last === first || last === undefined ? "" : ` … ${last.path}`}`;
}
