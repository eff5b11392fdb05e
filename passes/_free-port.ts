import type { Graph } from "../compiler/ir/graph.ts";

/** A name that no input or output of a graph has yet: `d_weight`, `d_weight_2`, … Other values may have any. */
export function freePort({ inputs, outputs }: Graph, base: string): string {
  const taken = new Set([...inputs, ...outputs].map(({ name }) => name));
  for (let n = 1; ; n++) {
    const name = n === 1 ? base : `${base}_${n}`;
    if (!taken.has(name)) return name;
  }
}
