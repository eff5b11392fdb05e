import { dtypeOf, type DType } from "../../ir/dtype.ts";
import { kernelType, signatureOf, type KernelType, type Parameter } from "../kernels/kernels.ts";
import { providers } from "../providers.ts";
import type { FlatNode } from "./flat.ts";

type Typed = Pick<FlatNode, "op" | "facts" | "since" | "attribute"> & {
  readonly inputs: readonly ({ readonly type: KernelType | null } | null)[];
  /** Results of the graphs it holds, those of the first graph. */
  readonly results: readonly (KernelType | null)[];
};

/** Types of a node: of its outputs, as far as its op and inputs tell, and by type parameter. */
export function typesOf(node: Typed, outputs: number) {
  const signature = node.facts === null ? null : signatureOf(node.facts, node.since ?? 0);
  const bound = new Map<string, KernelType | null>();
  node.inputs.forEach((input, i) => {
    const variable = parameterAt(signature?.inputs ?? [], i)?.variable ?? null;
    if (variable !== null && input !== null && bound.get(variable) == null) bound.set(variable, input.type);
  });
  const results = Array.from({ length: outputs }, (_, i) => {
    const parameter = parameterAt(signature?.outputs ?? [], i);
    const stated = statedType(node, i);
    if (stated !== undefined) return stated;
    if (parameter === null) return null;
    if (parameter.variable === null) return parameter.type;
    return bound.get(parameter.variable) ?? onlyType(node, parameter.variable);
  });
  return { results, bound, parameters: signature?.outputs ?? [] };
}

/** Adds the types of outputs, where inputs did not tell what a type parameter is. */
export function bindOutputs(
  bound: Map<string, KernelType | null>,
  parameters: readonly Parameter[],
  types: readonly (KernelType | null)[],
): void {
  types.forEach((type, i) => {
    const variable = parameterAt(parameters, i)?.variable ?? null;
    if (variable !== null && bound.get(variable) == null) bound.set(variable, type);
  });
}

/** The parameter of an operand; the last one stands for all further ones where it may. */
function parameterAt(parameters: readonly Parameter[], index: number): Parameter | null {
  const last = parameters.at(-1);
  return parameters[index] ?? (last?.isVariadic === true ? last : null);
}

/** The type of a parameter for which every kernel takes one and the same: bool for what a comparison gives. */
function onlyType({ facts }: Typed, variable: string): KernelType | null {
  const all = providers.flatMap((provider) => facts?.kernels[provider] ?? []);
  const types = new Set(all.flatMap(({ types: taken }) => [...(taken.get(variable) ?? [])]));
  const [only = null] = types;
  return types.size === 1 ? only : null;
}

/** Attributes that say the element type of a result, and the type where they are left out. */
const typeAttributes: ReadonlyMap<string, readonly [attribute: string, otherwise: KernelType | number]> =
  new Map<string, readonly [string, KernelType | number]>([
    ["Cast", ["to", "float"]],
    ["BitCast", ["to", "float"]],
    ["EyeLike", ["dtype", 0]],
    ["Bernoulli", ["dtype", 0]],
    ["RandomNormalLike", ["dtype", 0]],
    ["RandomUniformLike", ["dtype", 0]],
    ["RandomNormal", ["dtype", "float"]],
    ["RandomUniform", ["dtype", "float"]],
    ["Multinomial", ["dtype", "int32"]],
    ["BlackmanWindow", ["output_datatype", "float"]],
    ["HannWindow", ["output_datatype", "float"]],
    ["HammingWindow", ["output_datatype", "float"]],
    ["DequantizeLinear", ["output_dtype", 1]],
  ]);

/** The type of an output that an attribute or a graph inside the node says; undefined where none does. */
function statedType(node: Typed, index: number): KernelType | null | undefined {
  const numbered = (name: string): KernelType | null => {
    const attr = node.attribute(name);
    const dtype: DType | undefined = attr?.kind === "int" ? dtypeOf(Number(attr.value)) : undefined;
    return dtype === undefined || dtype === "undefined" ? null : kernelType({ kind: "tensor", dtype });
  };
  const row = typeAttributes.get(node.op);
  if (row !== undefined) {
    const [name, otherwise] = row;
    const other = typeof otherwise === "number" ? (node.inputs[otherwise]?.type ?? null) : otherwise;
    return numbered(name) ?? other;
  }
  switch (node.op) {
    case "If":
    case "Scan":
      return node.results[index] ?? null;
    case "Loop":
      // The body's first result says whether to go on.
      return node.results[index + 1] ?? null;
    case "ConstantOfShape": {
      const value = node.attribute("value");
      return value?.kind === "tensor" ? kernelType({ kind: "tensor", dtype: value.value.dtype }) : "float";
    }
    case "QuantizeLinear":
      return node.inputs[2]?.type ?? numbered("output_dtype") ?? "uint8";
    case "LayerNormalization":
      return index === 0 ? undefined : (numbered("stash_type") ?? "float");
    default:
      return undefined;
  }
}
