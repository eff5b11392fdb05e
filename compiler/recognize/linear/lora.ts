import { asTensor } from "../../ir/type.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { scalarOf } from "../../ops/constant.ts";
import { rankOf } from "../../ops/rank.ts";
import { has } from "../../ops/table.ts";
import { viewChain } from "../flow.ts";
import { biasAddition, type Linear } from "./linear.ts";
import { weightOf, type Weight } from "./weight.ts";

/** One of the two narrow products of a low-rank addition. */
export interface LoraFactor {
  /** The node that multiplies. */
  readonly node: Node;
  readonly input: Value;
  readonly output: Value;
  /** The matrix as the node reads it. */
  readonly matrix: Value;
  /** How it is stored; null where the matrix is a graph input of a size that is not fixed. */
  readonly weight: Weight | null;
  /** Null where it is the rank and the graph leaves it open. */
  readonly inFeatures: number | null;
  readonly outFeatures: number | null;
  /** Whether the reader has it as `[in, out]`, where PEFT stores `[out, in]`. */
  readonly isInFirst: boolean;
}

/** A low-rank addition to a linear, written into the graph: `scale · B(A x)`. */
export interface Lora {
  readonly a: LoraFactor;
  readonly b: LoraFactor;
  /** The product of all constant factors on the way: alpha / r, unless the exporter put it into B. */
  readonly scale: number;
  /** Null where the graph leaves it open. */
  readonly rank: number | null;
  /** From A to the addition, in no order. */
  readonly nodes: readonly Node[];
  /** The Add that brings it to the linear's product, and its operand that is none of LoRA's. */
  readonly addition: Node;
  readonly beside: Value;
}

/** What is known of the linears of a graph before low-rank additions are looked for. */
export type LinearByOutput = (output: Value) => Linear | null;

/**
 * A linear with the low-rank additions behind it: `y = W x + s·B(A x)`, as exporters leave it of a model whose LoRA
 * was not merged. Its output is the last sum, and the factors are part of it. Gives the linear itself where nothing
 * of the kind is added.
 */
export function withLora(base: Linear, linearAt: LinearByOutput): Linear {
  let linear = base;
  for (;;) {
    const found = additionTo(linear, linearAt);
    if (found === null) return linear;
    const { lora, sum, input, between } = found;
    const nodes = [...linear.nodes, ...between, ...lora.nodes];
    linear = { ...linear, input, output: sum, nodes, loras: [...linear.loras, lora] };
    const added = linear.bias === null ? biasAddition(linear.output, linear.outFeatures) : null;
    if (added === null) continue;
    linear = { ...linear, output: added.output, bias: added.bias, nodes: [...nodes, added.node] };
  }
}

/** What a summand is before it is known where it is added. */
type Summand = Omit<Lora, "addition" | "beside">;

interface Addition {
  readonly lora: Lora;
  readonly sum: Value;
  readonly input: Value;
  /** The Reshapes between product and sum, and the sum. */
  readonly between: readonly Node[];
}

function additionTo(base: Linear, linearAt: LinearByOutput): Addition | null {
  const { at, nodes } = behindReshapes(base.output);
  for (const node of at.users) {
    const sum = node.op === "Add" ? node.output(0) : null;
    const other = node.inputs.find((value) => value !== at) ?? null;
    if (sum === null || other === null) continue;
    const summand = summandOf(base, other, linearAt);
    if (summand === null) continue;
    const source = sourceOf(summand.a, base);
    const input = source === null ? null : ofRank(source, sum);
    if (input === null) continue;
    const lora = { ...summand, addition: node, beside: at };
    return { lora, sum, input, between: [...nodes, node] };
  }
  return null;
}

/** What the Reshapes make of a Gemm's product that nothing else reads. */
function behindReshapes(product: Value): { readonly at: Value; readonly nodes: readonly Node[] } {
  let at = product;
  const nodes: Node[] = [];
  for (;;) {
    const [use] = at.uses;
    const isOnly = at.uses.size === 1 && use?.kind === "input" && use.index === 0;
    const next = isOnly && has(use.node, "reshape") ? use.node.output(0) : null;
    if (!isOnly || next === null) return { at, nodes };
    nodes.push(use.node);
    at = next;
  }
}

function summandOf(base: Linear, value: Value, linearAt: LinearByOutput): Summand | null {
  const b = factorAbove(value, linearAt);
  const a = b === null ? null : factorAbove(b.factor.input, linearAt);
  if (a === null || b === null) return null;
  const isFit = a.factor.inFeatures === base.inFeatures && b.factor.outFeatures === base.outFeatures;
  const rank = a.factor.outFeatures ?? b.factor.inFeatures;
  const isOne = b.factor.inFeatures === null || b.factor.inFeatures === rank;
  if (!isFit || !isOne || a.factor.node === base.node) return null;
  const before = scaledSource(a.factor.input);
  const nodes = [...before.nodes, ...a.nodes, ...b.nodes];
  return { a: a.factor, b: b.factor, scale: a.scale * b.scale * before.scale, rank, nodes };
}

interface Scaled {
  readonly value: Value;
  readonly scale: number;
  readonly nodes: readonly Node[];
}

/** A value without the constant factors and the views that it is read through. */
function scaledSource(from: Value): Scaled {
  let [value, scale] = [from, 1];
  const nodes: Node[] = [];
  for (let node = value.producer; node !== null; node = value.producer) {
    const factor = factorOf(node);
    const carried = factor === null ? null : factor.of;
    if (factor === null || carried === null || value.uses.size > 1) break;
    nodes.push(node);
    scale *= factor.scale;
    value = carried;
  }
  return { value, scale, nodes };
}

/** Of a node that only scales or views: by how much, and what. */
function factorOf(node: Node): { readonly scale: number; readonly of: Value | null } | null {
  if (has(node, "view") && node.op !== "Transpose") return { scale: 1, of: node.input(0) };
  if (node.op !== "Mul" && node.op !== "Div") return null;
  const right = scalarOf(node.input(1));
  if (right !== null) return { scale: node.op === "Div" ? 1 / right : right, of: node.input(0) };
  const left = node.op === "Mul" ? scalarOf(node.input(0)) : null;
  return left === null ? null : { scale: left, of: node.input(1) };
}

interface FactorAbove {
  readonly factor: LoraFactor;
  readonly scale: number;
  readonly nodes: readonly Node[];
}

function factorAbove(value: Value, linearAt: LinearByOutput): FactorAbove | null {
  const { value: product, scale, nodes } = scaledSource(value);
  const linear = linearAt(product);
  const factor = linear === null ? openFactor(product) : linear.bias === null ? factorOfLinear(linear) : null;
  if (factor === null || (product === value && value.uses.size > 1)) return null;
  const alpha = factor.node.float("alpha") ?? 1;
  return { factor, scale: scale * alpha, nodes: [...(linear?.nodes ?? [factor.node]), ...nodes] };
}

function factorOfLinear({ node, input, output, inFeatures, outFeatures }: Linear): LoraFactor | null {
  const matrix = node.input(1);
  if (matrix === null) return null;
  const isInFirst = node.int("transB") !== 1 && node.op !== "com.microsoft::MatMulNBits";
  return { node, input, output, matrix, weight: weightOf(matrix), inFeatures, outFeatures, isInFirst };
}

/** A product with a matrix that callers give and whose rank they choose: `[in, r]` and `[r, out]` of open r. */
function openFactor(product: Value): LoraFactor | null {
  const node = product.producer;
  if (node === null || !(has(node, "product") || node.op === "Gemm")) return null;
  const [input, matrix] = [node.input(0), node.input(1)];
  if (input === null || matrix?.isInput !== true || node.input(2) !== null) return null;
  const shape = asTensor(matrix.type)?.shape;
  if (shape?.length !== 2) return null;
  const isInFirst = node.int("transB") !== 1;
  const [rows, columns] = shape.map((dim) => (typeof dim === "number" ? dim : null));
  const [inFeatures = null, outFeatures = null] = isInFirst ? [rows, columns] : [columns, rows];
  return { node, input, output: product, matrix, weight: null, inFeatures, outFeatures, isInFirst };
}

/** What both the linear and the factor A are computed from, over views, or null. */
function sourceOf(a: LoraFactor, base: Linear): Value | null {
  const own = viewChain(base.input);
  const { value } = scaledSource(a.input);
  return [a.input, ...viewChain(value)].find((one) => own.includes(one)) ?? null;
}

/** The value itself, or what it is a Reshape of, whichever has as many axes as the sum; null for neither. */
function ofRank(source: Value, sum: Value): Value | null {
  const wanted = rankOf(sum);
  const chain = viewChain(source);
  const isFit = (value: Value): boolean => {
    const rank = rankOf(value);
    return rank === null || wanted === null || rank === wanted;
  };
  return chain.find(isFit) ?? null;
}
