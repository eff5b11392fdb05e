import type { HalfType } from "../../../compiler/ir/dtype.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { takesHalf } from "../../../compiler/ops/half/half.ts";
import {
  kernelsFor,
  kernelsOf,
  kernelType,
  signatureOf,
  sinceOf,
  takes,
  type KernelType,
  type OpKernels,
  type Parameter,
} from "../../../compiler/ops/kernels/kernels.ts";
import { typesOf } from "../../../compiler/ops/placement/types.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";

/** Element types of a model's values before anything is converted, and which operands can be converted. */
export class Slots {
  readonly #to: HalfType;
  readonly #provider: Provider | null;
  readonly #types = new Map<Value, KernelType | null>();

  constructor(to: HalfType, provider: Provider | null) {
    this.#to = to;
    this.#provider = provider;
  }

  /** The element type that a value had before, as it is declared or as the nodes before it make it. */
  typeOf(value: Value | null): KernelType | null {
    if (value === null) return null;
    const known = this.#types.get(value);
    return known ?? declaredType(value);
  }

  isFloat(value: Value | null): boolean {
    return this.typeOf(value) === "float";
  }

  /** Notes the type that a value had; of a function's operand that of the call. */
  note(value: Value, type: KernelType | null): void {
    this.#types.set(value, type);
  }

  /** Notes the types of a node's results: to be called in order, before the node is edited. */
  noteResults(node: Node, opsets: ReadonlyMap<string, number>): void {
    const { facts, since } = this.#facts(node, opsets);
    const results = (node.subgraphs[0]?.outputs ?? []).map((value) => this.typeOf(value));
    const inputs = node.inputs.map((value) => (value === null ? null : { type: this.typeOf(value) }));
    const attribute = (name: string) => node.attributes.get(name);
    const found = typesOf({ op: node.op, facts, since, attribute, inputs, results }, node.outputs.length);
    node.outputs.forEach((value, i) => {
      const own = declaredType(value) ?? constantType(node) ?? found.results[i] ?? null;
      // Of an op that nothing is known of results are as what it reads, unless they say more.
      const guessed = own ?? (facts === null && inputs.some((one) => one?.type === "float") ? "float" : null);
      this.#types.set(value, guessed);
    });
  }

  /** Whether an operand of float32 may have the half type, as far as the standard goes. */
  canInput(node: Node, index: number, opsets: ReadonlyMap<string, number>): boolean {
    const { facts, since } = this.#facts(node, opsets);
    return this.#can(node, parameterAt(signature(facts, since)?.inputs ?? [], index), since);
  }

  canOutput(node: Node, index: number, opsets: ReadonlyMap<string, number>): boolean {
    const { facts, since } = this.#facts(node, opsets);
    return this.#can(node, parameterAt(signature(facts, since)?.outputs ?? [], index), since);
  }

  /**
   * Whether CUDA has a kernel of a node in the half type, or none in float32 either. For the CPU onnxruntime computes in
   * float32 what has no kernel in float16, and puts casts around by itself; in bfloat16 it has next to none.
   */
  hasKernel(node: Node, opsets: ReadonlyMap<string, number>): boolean {
    const [to, provider] = [this.#to, this.#provider];
    if (provider !== "cuda") return true;
    const { facts, since } = this.#facts(node, opsets);
    if (facts === null || since === null) return true;
    const { inputs = [], outputs = [] } = signature(facts, since) ?? {};
    const bound = new Map<string, KernelType | null>();
    const bind = (values: readonly (Value | null)[], parameters: readonly Parameter[]): void => {
      values.forEach((value, i) => {
        const variable = parameterAt(parameters, i)?.variable ?? null;
        if (variable !== null && value !== null) bound.set(variable, this.typeOf(value));
      });
    };
    bind(outputs.length > 0 ? node.outputs : [], outputs);
    bind(node.inputs, inputs);
    const half = new Map(
      [...bound].map(([name, type]): [string, KernelType | null] => [
        name,
        type === "float" && takesHalf(node.op, since, name, to) ? to : type,
      ]),
    );
    const kernels = kernelsFor(facts, provider, since);
    const runs = (types: ReadonlyMap<string, KernelType | null>): boolean =>
      kernels.some((kernel) => takes(kernel, types));
    return runs(half) || !runs(bound);
  }

  #facts(node: Node, opsets: ReadonlyMap<string, number>) {
    const facts = kernelsOf(node.op);
    const isDefault = node.domain === "" || node.domain === "ai.onnx";
    const opset = isDefault ? (opsets.get("") ?? opsets.get("ai.onnx") ?? 0) : (opsets.get(node.domain) ?? 1);
    return { facts, since: facts === null ? null : sinceOf(facts, opset) };
  }

  #can(node: Node, parameter: Parameter | null, since: number | null): boolean {
    if (parameter === null || since === null) return true;
    return parameter.variable !== null && takesHalf(node.op, since, parameter.variable, this.#to);
  }
}

function signature(facts: OpKernels | null, since: number | null) {
  return facts === null || since === null ? null : signatureOf(facts, since);
}

function parameterAt(parameters: readonly Parameter[], index: number): Parameter | null {
  const last = parameters.at(-1);
  return parameters[index] ?? (last?.isVariadic === true ? last : null);
}

function declaredType(value: Value): KernelType | null {
  const { constant } = value;
  return (
    kernelType(value.type) ??
    (constant === undefined ? null : kernelType({ kind: "tensor", dtype: constant.dtype }))
  );
}

/** The type of a Constant node. */
function constantType(node: Node): KernelType | null {
  if (node.op !== "Constant") return null;
  for (const attr of node.attributes.values()) {
    if (attr.kind === "tensor") return kernelType({ kind: "tensor", dtype: attr.value.dtype });
    if (attr.kind === "float" || attr.kind === "floats") return "float";
    if (attr.kind === "int" || attr.kind === "ints") return "int64";
    // AttributeProto.FLOAT and FLOATS
    if (attr.kind === "ref") return attr.of === 1 || attr.of === 6 ? "float" : "int64";
  }
  return null;
}
