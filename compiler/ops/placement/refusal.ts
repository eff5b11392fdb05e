import { kernelsFor, takes, type KernelType } from "../kernels/kernels.ts";
import type { Provider } from "../providers.ts";
import type { FlatNode } from "./flat.ts";

/** What must be known of a node to say who has a kernel for it. */
type Asked = Pick<FlatNode, "op" | "facts" | "since" | "types" | "attribute"> & {
  readonly inputs: readonly unknown[];
};

/**
 * Why a node is not on the provider that was asked for: it has no kernel of the op; none of this version of it; none
 * for these types; none for these attributes; onnxruntime computes it in float on the CPU, with casts around it, since
 * float16 has no kernel; or it keeps it on the CPU because it computes with shapes.
 */
export type Reason = "op" | "version" | "types" | "attributes" | "casts" | "shapes";

/** Why a provider cannot run a node; null where it can. */
export function refusal(node: Asked, provider: Provider): Exclude<Reason, "casts" | "shapes"> | null {
  const { facts, since } = node;
  if (facts === null || since === null || facts.kernels[provider].length === 0) return "op";
  const kernels = kernelsFor(facts, provider, since);
  if (kernels.length === 0) return "version";
  if (!kernels.some((kernel) => takes(kernel, node.types))) return "types";
  return tooMuch[provider](node) ? "attributes" : null;
}

/** Whether the CPU has a kernel of a node once float16 is cast to float, which onnxruntime then does. */
export function runsInFloat(node: Asked): boolean {
  const types = new Map<string, KernelType | null>();
  for (const [name, type] of node.types) types.set(name, type === "float16" ? "float" : type);
  const hasHalf = [...node.types.values()].includes("float16");
  return hasHalf && refusal({ ...node, types }, "cpu") === null;
}

/** The first type of a node that none of a provider's kernels takes, and those that they take instead. */
export function refusedType(
  node: Asked,
  provider: Provider,
): { wanted: readonly KernelType[]; found: KernelType } | null {
  const { facts, since, types } = node;
  const kernels = facts === null || since === null ? [] : kernelsFor(facts, provider, since);
  for (const [variable, found] of types) {
    const taken = new Set(kernels.flatMap((kernel) => [...(kernel.types.get(variable) ?? [])]));
    if (found !== null && taken.size > 0 && !taken.has(found)) return { wanted: [...taken], found };
  }
  return null;
}

/** What a provider's kernels cannot do, though they are there. */
const tooMuch: Readonly<Record<Provider, (node: Asked) => boolean>> = {
  cpu: () => false,
  cuda: asksTooMuchOfCuda,
  // A mask, a past, and its length.
  webgpu: ({ op, inputs }) =>
    op === "com.microsoft::Attention" && [3, 4, 6].some((operand) => (inputs[operand] ?? null) !== null),
};

/** Strings, and the last of several best. */
function asksTooMuchOfCuda(node: Asked): boolean {
  if (node.op === "ArgMax" || node.op === "ArgMin") {
    const last = node.attribute("select_last_index");
    return last?.kind === "int" && last.value !== 0n;
  }
  return node.op === "Cast" && [...node.types.values()].includes("string");
}
