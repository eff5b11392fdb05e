import type { ReportData } from "../data.ts";

/** The names of a part's nodes and values. */
export interface NameLists {
  readonly nodes: readonly string[];
  readonly values: readonly string[];
}

/** The names of a part, also where they follow from those of another. */
export function namesOf({ parts }: ReportData, index: number): NameLists {
  const names = parts[index]?.names;
  if (names === undefined) return { nodes: [], values: [] };
  if ("nodes" in names) return names;
  const { like, from, to, own } = names;
  const first = namesOf({ parts } as ReportData, like);
  const all = [...first.nodes, ...first.values].map((name, i) => {
    const one = own?.[i] ?? 0;
    return typeof one === "string" ? one : renumbered(name, from, to, one);
  });
  return { nodes: all.slice(0, first.nodes.length), values: all.slice(first.nodes.length) };
}

/** A name with the layer's number replaced: where it stands first, or everywhere. */
function renumbered(name: string, from: number, to: number, how: 0 | 1): string {
  return name.replace(new RegExp(`(?<!\\d)${from}(?!\\d)`, how === 0 ? "" : "g"), String(to));
}
