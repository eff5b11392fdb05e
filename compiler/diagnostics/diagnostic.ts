import { locText, type Loc } from "./loc.ts";
import { codes, type Code, type Params, type Severity } from "./codes.ts";

/** Where something is wrong, as precisely as is known. */
export interface Place {
  /** The file, as the user named it. */
  readonly file?: string;
  /** The place in the message: `graph.node[12]`. */
  readonly path?: string;
  /** The name of the node, value or leaf. */
  readonly name?: string;
  /** The node's op. */
  readonly op?: string;
  /** The pass that was running. */
  readonly pass?: string;
}

/** One message for the user. */
export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  readonly place: Place;
  /** What failed, or what is to be known. */
  readonly what: string;
  /** What would have been right. */
  readonly wanted?: string;
  /** What was there in its place. */
  readonly found?: string;
  /** What to do. */
  readonly fix?: string;
}

/** Builds the diagnostic of a code. */
export function diagnostic<C extends Code>(code: C, place: Place, params: Params<C>): Diagnostic {
  const row = codes[code];
  // Each row's text function takes exactly its own Params; the lookup by a generic key cannot show that to tsc.
  const text = (row.text as (p: Params<C>) => ReturnType<(typeof row)["text"]>)(params);
  return { code, severity: row.severity, place, ...text };
}

/** The place of an entity with a location. */
export function placeOf(entity: {
  readonly loc: Loc;
  readonly name?: string | undefined;
  readonly op?: string;
}): Place {
  return {
    ...(entity.loc.file === "" ? {} : { file: entity.loc.file }),
    path: locText(entity.loc),
    ...(entity.name === undefined ? {} : { name: entity.name }),
    ...(entity.op === undefined ? {} : { op: entity.op }),
    ...(entity.loc.pass === undefined ? {} : { pass: entity.loc.pass }),
  };
}

/** The message as a terminal shows it: headline, place, wanted and found, fix. */
export function diagnosticText(d: Diagnostic): string {
  const { file, path, name, op, pass } = d.place;
  const at = [
    path,
    name === undefined ? undefined : JSON.stringify(name),
    op === undefined ? undefined : `(${op})`,
  ];
  const where =
    at.filter((part) => part !== undefined).join(" ") + (pass === undefined ? "" : `, in ${pass}`);
  const lines = [`${file === undefined ? "" : `${file}: `}${d.severity} ${d.code}: ${d.what}`];
  if (where !== "") lines.push(where.startsWith(", ") ? `  ${where.slice(2)}` : `  at ${where}`);
  if (d.wanted !== undefined)
    lines.push(`  wanted ${d.wanted}${d.found === undefined ? "" : `, found ${d.found}`}`);
  else if (d.found !== undefined) lines.push(`  found ${d.found}`);
  if (d.fix !== undefined) lines.push(`  fix: ${d.fix}`);
  return lines.join("\n");
}
