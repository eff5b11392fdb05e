import type { Provider } from "../providers.ts";
import type { FlatNode, FlatValue } from "./flat.ts";
import type { PlacedNode } from "./placement.ts";
import { SMALL } from "./shape-nodes.ts";

/**
 * Nodes elsewhere that wait for nothing of the device: they compute with sizes, and with the integers and masks that a
 * graph is fed. None reads what the device makes, a weight, or floating-point numbers that are fed.
 *
 * @param placed all nodes of a model, those of a graph before those of the graphs inside it
 */
export function hostOnly(placed: readonly PlacedNode[], provider: Provider): ReadonlySet<FlatNode> {
  const found = new Set<FlatNode>();
  const onDevice = new Set(placed.filter((one) => one.reason === null).map(({ node }) => node));
  const isAtHand = (value: FlatValue): boolean => {
    const { producer } = value;
    if (producer === null) return value.size === null ? value.isInput && isWhole(value) : value.size <= SMALL;
    if (!onDevice.has(producer)) return found.has(producer);
    return producer.facts?.host[provider].outputs.has(producer.outputs.indexOf(value)) === true;
  };
  for (const { node, reason } of placed) {
    if (reason === null) continue;
    const needed = [...node.inputs.filter((value) => value !== null), ...node.captures];
    if (needed.every(isAtHand)) found.add(node);
  }
  return found;
}

function isWhole({ type }: FlatValue): boolean {
  return type !== null && (type === "bool" || /^u?int\d+$/.test(type));
}
