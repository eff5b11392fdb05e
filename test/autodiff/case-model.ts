import { backward } from "../../compiler/autodiff/backward.ts";
import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { numberText } from "../../compiler/text/numbers.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import type { Tensors } from "../../runtime/session/tensor.ts";
import { isVaried, numberOf, resultType, tensorOf, type CaseInput, type GradientCase } from "./cases.ts";

/** How a case's graph is written. */
export interface Form {
  /** Whether the graph leaves open which sizes its inputs have, but for those of one. */
  readonly isOpen?: boolean;
  /** Whether whole numbers such as axes and indices are inputs in place of constants. */
  readonly isFed?: boolean;
  /** Whether the nodes are in a function that is called, and computed again for the backward part. */
  readonly isCalled?: boolean;
  /** A type that floats are of in place of float. */
  readonly wide?: "double";
}

/** The graph of a case that gives, behind its results, the gradient of each varied input `iN` as `gN`. */
export function differentiated(of: GradientCase, form: Form = {}): Model {
  const model = modelOf(of, form);
  const { graph } = model;
  const rw = new Rewriter();
  const nodes = [...graph.nodes];
  const seeds = new Map(
    graph.outputs.flatMap((result): readonly (readonly [Value, Value])[] => {
      const output = of.outputs[Number(result.name?.slice(1))];
      if (output?.cotangent === undefined) return [];
      const type = tensorType(resultType(of), [...output.shape]);
      const seed = rw.value(model.loc, result.name?.replace("o", "c"), type);
      rw.addInput(graph, seed);
      return [[result, seed]];
    }),
  );
  const wanted = graph.inputs.filter((value) => isVaried(of.inputs[numberIn(value)]) && !isSeed(value));
  const memory = form.isCalled === true ? "recompute" : "none";
  const found = backward(model, rw, { seeds, wanted, nodes, memory });
  const b = new Builder(rw, atEnd(graph));
  for (const value of wanted) {
    const gradient = found.get(value);
    if (gradient === undefined) continue;
    const result = b.op("Identity", [gradient], `g${numberIn(value)}`);
    rw.setType(result, value.type);
    rw.setOutput(graph, graph.outputs.length, result);
  }
  return model;
}

const isSeed = (value: Value): boolean => value.name?.startsWith("c") === true;
const numberIn = (value: Value): number => Number(value.name?.slice(1));

/** What a case's graph is run with, the gradients that come in at its results included. */
export function feedsOf(of: GradientCase, form: Form = {}): Tensors {
  const given = of.inputs.flatMap((input, i) =>
    input === null || isFixed(input, form)
      ? []
      : [[`i${i}`, tensorOf(widened(input.dtype, form), input.shape, input.values)] as const],
  );
  const seeds = of.outputs.flatMap((output, i) =>
    output?.cotangent === undefined
      ? []
      : [[`c${i}`, tensorOf(resultType(of), output.shape, output.cotangent)] as const],
  );
  return new Map([...given, ...seeds]);
}

/** The graph of a case, forwards. */
export function modelOf(of: GradientCase, form: Form = {}): Model {
  const { inputs, outputs } = of;
  const head = inputs.flatMap((input, i) =>
    input === null || isFixed(input, form) ? [] : [`${typeText(input, i, form)} i${i}`],
  );
  const fixed = inputs.flatMap((input, i) =>
    input !== null && isFixed(input, form) ? [[input, i] as const] : [],
  );
  const results = outputs.flatMap((output, i) => {
    if (output === null) return [];
    const dtype = output.cotangent === undefined ? otherType(of) : widened(resultType(of), form);
    return [`${dtype}${sizesText(output.shape, `o${i}`, form)} o${i}`];
  });
  const opsets = `["" : ${of.opset ?? 21}, "com.microsoft" : 1, "tfc" : 1]`;
  const main = `<ir_version: 10, opset_import: ${opsets}>\ncase (${head.join(", ")}) => (${results.join(", ")})`;
  if (form.isCalled !== true) {
    const initializers = fixed.map(([input, i]) => constantText(input, i, form));
    return parseModel(`${main} <${initializers.join(", ")}> {\n  ${of.body}\n}`);
  }
  const operands = inputs.flatMap((input, i) => (input === null || isFixed(input, form) ? [] : [`i${i}`]));
  const named = outputs.flatMap((output, i) => (output === null ? [] : [`o${i}`]));
  const constants = fixed.map(
    ([input, i]) => `i${i} = Constant <value = ${constantText(input, -1, form)}> ()`,
  );
  return parseModel(
    `${main} {\n  ${named.join(", ")} = tfc.Case (${operands.join(", ")})\n}\n` +
      `<domain: "tfc", opset_import: ${opsets}>\n` +
      `Case (${operands.join(", ")}) => (${named.join(", ")}) {\n  ${[...constants, of.body].join("\n  ")}\n}`,
  );
}

/** Whether an input is a constant of the graph. */
function isFixed(input: CaseInput, form: Form): boolean {
  if (input.constant !== true) return false;
  return form.isFed !== true || input.dtype !== "int64";
}

function widened(dtype: DType, form: Form): DType {
  return dtype === "float" ? (form.wide ?? dtype) : dtype;
}

/** The type of results that no gradient comes in at: places and counts, or floats that are not read. */
function otherType(of: GradientCase): DType {
  return of.body.includes("TopK") ? "int64" : resultType(of);
}

function typeText({ dtype, shape }: CaseInput, i: number, form: Form): string {
  return `${widened(dtype, form)}${sizesText(shape, `i${i}`, form)}`;
}

function sizesText(shape: readonly number[], name: string, { isOpen }: Form): string {
  if (shape.length === 0) return ""; // `[]` would be of any rank
  return `[${shape.map((size, axis) => (isOpen === true && size !== 1 ? `${name}_${axis}` : size)).join()}]`;
}

/** An initializer, or without a number the tensor of a Constant. */
function constantText(input: CaseInput, i: number, form: Form): string {
  const dtype = widened(input.dtype, form);
  const values = input.values.map((value) =>
    input.dtype.startsWith("int") ? String(value) : numberText(numberOf(value), dtype),
  );
  return `${dtype}${sizesText(input.shape, "", {})} ${i < 0 ? "" : `i${i} = `}{${values.join(", ")}}`;
}
