import { kernelsFor, takes, type Provider } from "../kernels/kernels.ts";
import type { FlatNode } from "./flat.ts";

/** What must be known of a node to say who has a kernel for it. */
type Asked = Pick<FlatNode, "op" | "facts" | "since" | "types" | "attribute">;

/**
 * Why a node is not on the provider that was asked for: it has no kernel of the op; none of this version of it; none
 * for these types; none for these attributes; or onnxruntime keeps it on the CPU because it computes with shapes.
 */
export type Reason = "op" | "version" | "types" | "attributes" | "shapes";

/** Why a provider cannot run a node; null where it can. */
export function refusal(node: Asked, provider: Provider): Exclude<Reason, "shapes"> | null {
  const { facts, since } = node;
  if (facts === null || since === null || facts.kernels[provider].length === 0) return "op";
  const kernels = kernelsFor(facts, provider, since);
  if (kernels.length === 0) return "version";
  if (!kernels.some((kernel) => takes(kernel, node.types))) return "types";
  return provider === "cuda" && asksTooMuch(node) ? "attributes" : null;
}

/** What CUDA's kernels cannot do, though they are there: strings, and the last of several best. */
function asksTooMuch(node: Asked): boolean {
  if (node.op === "ArgMax" || node.op === "ArgMin") {
    const last = node.attribute("select_last_index");
    return last?.kind === "int" && last.value !== 0n;
  }
  return node.op === "Cast" && [...node.types.values()].includes("string");
}
