import type { Names, Part } from "./data.ts";

interface Lists {
  readonly nodes: readonly string[];
  readonly values: readonly string[];
}

/**
 * Names as they are kept. Of equal parts of several layers the names mostly differ in the layer's number alone: the
 * first has them all, the others how theirs follow.
 *
 * @param like the part whose names these may be made of, and its index
 */
export function encodeNames(
  { nodes, values }: Lists,
  like: Part | undefined,
  index: number,
  to: number | null,
): Names {
  const from = like?.layer ?? null;
  if (like === undefined || !("nodes" in like.names) || from === null || to === null)
    return { nodes, values };
  const first = [...like.names.nodes, ...like.names.values];
  const own = [...nodes, ...values].map((name, i) => {
    const known = first[i] ?? "";
    if (renumbered(known, from, to, 0) === name) return 0;
    return renumbered(known, from, to, 1) === name ? 1 : name;
  });
  return own.every((one) => one === 0) ? { like: index, from, to } : { like: index, from, to, own };
}

/** A name with the layer's number replaced: where it stands first, or everywhere. The page has the same. */
export function renumbered(name: string, from: number, to: number, how: 0 | 1): string {
  return name.replace(new RegExp(`(?<!\\d)${from}(?!\\d)`, how === 0 ? "" : "g"), String(to));
}
