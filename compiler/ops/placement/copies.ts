import type { Provider } from "../providers.ts";
import type { FlatNode, FlatValue, Scope } from "./flat.ts";

/** Values that are copied between devices in each run, inside a graph; what is fed and fetched is not among them. */
export interface Copies {
  /** From the CPU to the device. */
  readonly in: readonly FlatValue[];
  /** From the device to the CPU. */
  readonly out: readonly FlatValue[];
}

/**
 * The copies that onnxruntime inserts into one graph: of each value that one side makes and the other reads, one, and
 * of what comes from outside and both sides read: an input of the graph, and whatever it reads of a graph around it.
 * The graph's own initializers are stored on both sides instead; those of a graph around it are too, and copied all
 * the same.
 */
export function copiesIn(scope: Scope, onDevice: ReadonlySet<FlatNode>, provider: Provider): Copies {
  const [hostReads, hostWrites] = [new Set<FlatValue>(), new Set<FlatValue>()];
  const [deviceReads, deviceWrites] = [new Set<FlatValue>(), new Set<FlatValue>()];
  for (const node of scope.nodes) {
    const host = onDevice.has(node) ? node.facts?.host[provider] : null;
    node.inputs.forEach((value, i) => {
      if (value !== null) (host?.inputs.has(i) === false ? deviceReads : hostReads).add(value);
    });
    if (host == null) for (const value of node.captures) hostReads.add(value);
    node.outputs.forEach((value, i) => {
      (host?.outputs.has(i) === false ? deviceWrites : hostWrites).add(value);
    });
  }
  const isFromOutside = (value: FlatValue): boolean => value.scope !== scope || scope.inputs.includes(value);
  const both = [...deviceReads].filter((value) => hostReads.has(value) && isFromOutside(value));
  return {
    in: [...[...hostWrites].filter((value) => deviceReads.has(value)), ...both],
    out: [...deviceWrites].filter((value) => hostReads.has(value)),
  };
}
