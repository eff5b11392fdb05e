import type { Attribute } from "../../../compiler/ir/attribute.ts";
import { isFloat } from "../../../compiler/ir/dtype.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { tensorOf } from "../../../compiler/ir/scalar.ts";
import type { Tensor } from "../../../compiler/ir/tensor.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { constantOf, integersOf } from "../../../compiler/ops/constant.ts";
import { has } from "../../../compiler/ops/table.ts";
import type { Linear } from "../../../compiler/recognize/linear/linear.ts";
import { weightOf, type Weight } from "../../../compiler/recognize/linear/weight.ts";
import { NBITS } from "./_quantizable.ts";

/** Tensors that become one, behind each other along an axis. */
export interface Joined {
  readonly tensors: readonly Tensor[];
  readonly axis: 0 | 1;
}

/** An operand of the packed product: what it is joined of, and how it is read. */
export interface JoinedOperand extends Joined {
  readonly index: number;
  /** What the name of the joined tensor ends in. */
  readonly suffix: string;
  /** The weights as their nodes read them: views and casts are the same for all. */
  readonly weights: readonly Weight[];
}

/** Linears of one input that can be one. */
export interface Packable {
  readonly linears: readonly Linear[];
  readonly operands: readonly JoinedOperand[];
  /** What an Add behind the product adds; null where there is none. */
  readonly added: Joined | null;
}

/** Why linears stay apart, as a clause. */
export interface Obstacle {
  readonly why: string;
}

/** How linears become one product, else why they do not. Who else reads their weights is not asked here. */
export function packable(linears: readonly Linear[]): Packable | Obstacle {
  const [first, ...others] = linears;
  if (first === undefined) return { why: "there are none" };
  if (others.some(({ input }) => input !== first.input)) return { why: "they do not read one value" };
  if (linears.some(({ loras }) => loras.length > 0)) return { why: "the graph adds LoRA to them" };
  const { node } = first;
  const isAlike = others.every(({ node: other }) => other.op === node.op && sameSettings(other, node));
  if (!isAlike || others.some((one) => one.node.graph !== node.graph))
    return { why: "they are not written alike" };
  const operands = operandsOf(linears);
  if ("why" in operands) return operands;
  const added = addedTo(linears, operands);
  return added !== null && "why" in added ? added : { linears, operands, added };
}

/** The width of a result is the one attribute in which nodes that are packed may differ. */
function sameSettings(one: Node, other: Node): boolean {
  const names = new Set([...one.attributes.keys(), ...other.attributes.keys()]);
  names.delete("N");
  return [...names].every((name) => sameNumber(one.attributes.get(name), other.attributes.get(name)));
}

function sameNumber(one: Attribute | undefined, other: Attribute | undefined): boolean {
  if (one?.kind !== other?.kind || (one?.kind !== "int" && one?.kind !== "float")) return false;
  return other !== undefined && "value" in other && one.value === other.value;
}

function operandsOf(linears: readonly Linear[]): readonly JoinedOperand[] | Obstacle {
  const op = linears[0]?.node.op;
  if (op === NBITS) return quantizedOperands(linears);
  if (op !== "MatMul" && op !== "Gemm" && op !== "com.microsoft::FusedMatMul")
    return { why: `they are ${op ?? "nothing"}, whose weights are quantized otherwise` };
  const weights = joinedWeights(linears);
  if ("why" in weights || op !== "Gemm") return "why" in weights ? weights : [weights];
  const biases = joinedVectors(linears, 2, "bias");
  if (biases === null) return [weights];
  return "why" in biases ? biases : [weights, biases];
}

function joinedWeights(linears: readonly Linear[]): JoinedOperand | Obstacle {
  const found = linears.map(({ node }) => weightOf(node.input(1)));
  const weights = found.filter((weight) => weight !== null);
  const tensors = weights.map(({ root }) => constantOf(root)).filter((tensor) => tensor !== null);
  if (tensors.length < linears.length) return { why: "a caller may give other weights" };
  const computed = weights.flatMap((weight) => weight.path.filter((node) => !isView(node, weight)));
  if (computed[0] !== undefined) return { why: `the graph computes on their weights (${computed[0].op})` };
  const [weight, tensor] = [weights[0], tensors[0]];
  const isAlike = weights.every(
    ({ transposed, dtype }) => transposed === weight?.transposed && dtype === weight.dtype,
  );
  if (!isAlike || tensors.some(({ dtype }) => dtype !== tensor?.dtype))
    return { why: "their weights are not stored alike" };
  if (!isFloat(tensor?.dtype ?? "string")) return { why: "their weights are quantized" };
  const isReadInFirst = linears[0]?.node.int("transB") !== 1;
  const axis = isReadInFirst === (weight?.transposed !== true) ? 1 : 0;
  return { index: 1, suffix: "weight", weights, tensors, axis };
}

function isView(node: Node, { shape }: Weight): boolean {
  if (node.op === "Reshape") return integersOf(node.input(1))?.join() === shape.join();
  return has(node, "same-numbers");
}

/** Rows of numbers, their scales and zero points, a row for each output: behind each other they are the packed one's. */
function quantizedOperands(linears: readonly Linear[]): readonly JoinedOperand[] | Obstacle {
  const operands: JoinedOperand[] = [];
  const names = { 1: "weight_Q", 2: "weight_scales", 3: "weight_zero_points" };
  for (const [text, suffix] of Object.entries(names)) {
    const index = Number(text);
    const given = linears.flatMap(({ node }) => node.input(index) ?? []);
    if (given.length === 0) continue;
    const tensors = given.map((value) => constantOf(value)).filter((tensor) => tensor !== null);
    if (tensors.length < linears.length) return { why: "they are not all quantized alike" };
    const [first] = tensors;
    const rest = (tensor: Tensor): string => [tensor.dtype, ...tensor.shape.slice(1)].join();
    if (first === undefined || tensors.some((tensor) => rest(tensor) !== rest(first)))
      return { why: "they are not all quantized alike" };
    operands.push({
      index,
      suffix,
      weights: given.flatMap((value) => weightOf(value) ?? []),
      tensors,
      axis: 0,
    });
  }
  if (linears.some(({ node }) => node.input(4) !== null))
    return { why: "their inputs are quantized in an order of their own" };
  const biases = joinedVectors(linears, 5, "bias");
  if (biases === null) return operands;
  return "why" in biases ? biases : [...operands, biases];
}

/** Biases that nodes add themselves: 0 where one has none. Null where none has. */
function joinedVectors(
  linears: readonly Linear[],
  index: number,
  suffix: string,
): JoinedOperand | Obstacle | null {
  const joined = joinedBiases(linears, ({ node }) => node.input(index));
  return joined === null || "why" in joined ? joined : { ...joined, index, suffix, weights: [] };
}

function joinedBiases(
  linears: readonly Linear[],
  biasOf: (linear: Linear) => Value | null,
): Joined | Obstacle | null {
  const given = linears.map(biasOf);
  const constants = given.map((value) => constantOf(value));
  const first = constants.find((tensor) => tensor !== null);
  if (given.every((value) => value === null)) return null;
  const tensors = linears.flatMap(({ outFeatures }, i) => {
    if (given[i] === null)
      return first === undefined
        ? []
        : [tensorOf(first.dtype, [outFeatures], Array<number>(outFeatures).fill(0))];
    const tensor = constants[i] ?? null;
    return tensor?.shape.join() === String(outFeatures) && tensor.dtype === first?.dtype ? [tensor] : [];
  });
  return tensors.length === linears.length
    ? { tensors, axis: 0 }
    : { why: "their biases are not stored alike" };
}

/** What is added behind the products, where the nodes do not add it. */
function addedTo(linears: readonly Linear[], operands: readonly JoinedOperand[]): Joined | Obstacle | null {
  const isAdded = ({ nodes, node }: Linear): boolean => nodes.some((one) => one !== node && one.op === "Add");
  const some = linears.filter(isAdded);
  if (some.length === 0) return null;
  if (operands.some(({ suffix }) => suffix === "bias")) return { why: "their biases are not added alike" };
  return joinedBiases(linears, (linear) => (isAdded(linear) ? linear.bias : null));
}
