import type { Graph } from "../ir/graph.ts";
import type { Tensor } from "../ir/tensor.ts";

/** Element types of indices, shapes and switches: a model learns none of them. */
const structural: ReadonlySet<string> = new Set(["int64", "bool", "string"]);

/** How many parameters a stored tensor is: its elements; none where it is an index, a shape or a single number. */
export function parametersIn({ dtype, size }: Tensor): number {
  return size === 1 || structural.has(dtype) ? 0 : size;
}

/** Parameters of all initializers of a graph. */
export function countParameters({ initializers }: Graph): number {
  let parameters = 0;
  for (const { constant } of initializers) parameters += constant === undefined ? 0 : parametersIn(constant);
  return parameters;
}
