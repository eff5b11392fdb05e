import type { KernelType } from "../kernels/kernels.ts";
import type { Provider } from "../providers.ts";
import type { FlatNode, FlatValue, Scope } from "./flat.ts";

/** Types that onnxruntime never computes with on the CPU only because it computes with shapes. */
const narrow: ReadonlySet<KernelType | null> = new Set([
  "float16",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
]);

/** Initializers of at most so many elements are as good on the CPU. */
export const SMALL = 100;

/**
 * The nodes of one graph that onnxruntime keeps on the CPU though the device has kernels for them: those that need nothing
 * but values that are in the CPU's memory already, inputs of the graph and small initializers, unless the kernel reads
 * them from there anyway. It begins at kernels that write to the CPU's memory (Shape, Size) and goes on from what it
 * has put on the CPU, and from nodes without a kernel that it meets on the way.
 */
export function shapeNodes(
  scope: Scope,
  capable: ReadonlySet<FlatNode>,
  provider: Provider,
): ReadonlySet<FlatNode> {
  const onCpu = new Set<FlatValue>();
  const candidates = new Set<FlatNode>();
  const put = (value: FlatValue): void => {
    onCpu.add(value);
    for (const reader of value.readers) candidates.add(reader);
  };
  for (const node of capable) {
    node.outputs.forEach((value, i) => {
      if (node.facts?.host[provider].outputs.has(i) === true) put(value);
    });
  }
  const found = new Set<FlatNode>();
  // In the order of the graph a node comes behind all that it needs.
  for (const node of scope.nodes) {
    if (!candidates.has(node)) continue;
    if (!capable.has(node)) {
      node.outputs.forEach(put);
    } else if (node.inputs.every((value, i) => isAtHand(value, i, { node, onCpu, provider }))) {
      found.add(node);
      node.outputs.forEach(put);
    }
  }
  return found;
}

/** A node that reads, and what is in the CPU's memory already. */
interface Reading {
  readonly node: FlatNode;
  readonly onCpu: ReadonlySet<FlatValue>;
  readonly provider: Provider;
}

function isAtHand(value: FlatValue | null, index: number, { node, onCpu, provider }: Reading): boolean {
  // One that is left out counts as a value that is elsewhere.
  if (value === null) return false;
  if (narrow.has(value.type)) return false;
  if (value.size !== null && value.size <= SMALL) return true;
  if (value.isInput && value.scope === node.scope) return true;
  return onCpu.has(value) && node.facts?.host[provider].inputs.has(index) !== true;
}
