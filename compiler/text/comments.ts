import type { Loc } from "../ir/entity.ts";

/**
 * What a model has and ONNX's syntax has no place for is written in comments, which ONNX's own parser skips:
 *
 * - `# float[B,S,64], float16` after a node: the types of its outputs, `?` for one that has none;
 * - `# … from node[1..5]`: where a pass took the node from, for people;
 * - `#meta {"key": "value"}`: the `metadata_props` of the node, value, graph or function that the line ends with
 *   or opens, `#meta[1] {…}` those of the node's output number 1.
 *
 * Any other comment is prose and skipped.
 */

/** Metadata of the line's subject (key `own`) and of node outputs (by their number). */
export type LineMeta = ReadonlyMap<"own" | number, ReadonlyMap<string, string>>;

/** ` #meta {"k": "v"}`, or nothing when there is no metadata. */
export function metaText(meta: ReadonlyMap<string, string>, output?: number): string {
  if (meta.size === 0) return "";
  const entries = [...meta].map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return ` #meta${output === undefined ? "" : `[${output}]`} {${entries.join(", ")}}`;
}

const string = String.raw`"(?:[^"\\]|\\.)*"`;
const types = new RegExp(`^(?:[^"#]|#(?!meta)|${string})*`);
const metas = new RegExp(String.raw`#meta(?:\[(\d+)\])?\s*\{((?:[^"}]|${string})*)\}`, "g");
const pairs = new RegExp(String.raw`(${string})\s*:\s*(${string})`, "g");

/** The part of a comment (without its `#`) that may be types, and the metadata behind it. */
export function splitComment(comment: string): { readonly types: string; readonly meta: LineMeta } {
  const whole = `#${comment}`;
  const meta = new Map<"own" | number, Map<string, string>>();
  for (const [, output, body] of whole.includes("#meta") ? whole.matchAll(metas) : []) {
    // JSON.parse of the whole object would move keys that look like numbers to the front.
    const entries = [...(body ?? "").matchAll(pairs)].map(
      ([, key, value]) => [JSON.parse(key ?? '""') as string, JSON.parse(value ?? '""') as string] as const,
    );
    meta.set(output === undefined ? "own" : Number(output), new Map(entries));
  }
  return { types: (types.exec(whole)?.[0] ?? "").replace(/^#/, "").trim(), meta };
}

/** `from node[1..5]` for a node that a pass made from others. */
export function fromText(loc: Loc): string {
  if (loc.pass === undefined) return "";
  const runs: { readonly prefix: string; readonly first: number; last: number }[] = [];
  const other = new Set<string>();
  for (const path of new Set(pathsOf(loc))) {
    const [, prefix, index] = /^(.*\[)(\d+)\]$/.exec(path.replace(/^graph\./, "")) ?? [];
    if (prefix === undefined) {
      other.add(path);
      continue;
    }
    const run = runs.at(-1);
    if (run?.prefix === prefix && run.last + 1 === Number(index)) run.last++;
    else runs.push({ prefix, first: Number(index), last: Number(index) });
  }
  const texts = runs.map(
    ({ prefix, first, last }) => `${prefix}${first}${last === first ? "" : `..${last}`}]`,
  );
  return [...texts, ...other].length === 0
    ? ""
    : `from ${[...texts, ...other].join(", ").replaceAll("\n", " ")}`;
}

function pathsOf(loc: Loc): string[] {
  const from = loc.from ?? [];
  return from.length === 0 ? (loc.pass === undefined ? [loc.path] : []) : from.flatMap((one) => pathsOf(one));
}
