import { attribute } from "../../ir/attribute.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { constantOf } from "../../ops/constant.ts";
import { byAll, type RuleRow, type Vjp } from "../rule.ts";
import { mul } from "../terms.ts";
import { count, reshaped, sizesOf } from "./sizes.ts";

/** Convolutions over any number of axes, in groups: `x [N, C, …]`, `weight [M, C/groups, …]`, `bias [M]`. */
export const convRules: readonly RuleRow[] = [["Conv", { by: byAll, refuses, write: convVjp }]];

/** A convolution as its attributes and its kernel say it, one number for each axis. */
interface Conv {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
  readonly begins: readonly number[];
  readonly ends: readonly number[];
}

function refuses(node: Node): string | null {
  const pads = node.string("auto_pad") ?? "NOTSET";
  if (pads.startsWith("SAME") && node.ints("strides")?.some((step) => step !== 1) === true)
    return "its padding depends on the size of its input";
  const kernel = node.ints("kernel_shape") ?? constantOf(node.input(1))?.shape;
  return kernel === undefined ? "its kernel_shape is not stated" : null;
}

function convOf(node: Node): Conv {
  const kernel = node.ints("kernel_shape") ?? constantOf(node.input(1))?.shape.slice(2) ?? [];
  const ones = kernel.map(() => 1);
  const dilations = node.ints("dilations") ?? ones;
  const zeros = kernel.map(() => 0);
  const total = kernel.map((size, axis) => (size - 1) * (dilations[axis] ?? 1));
  const less = total.map((size) => Math.floor(size / 2));
  const more = total.map((size) => Math.ceil(size / 2));
  const pads = node.ints("pads") ?? [...zeros, ...zeros];
  const [begins, ends] = {
    SAME_UPPER: [less, more],
    SAME_LOWER: [more, less],
    VALID: [zeros, zeros],
  }[node.string("auto_pad") ?? "NOTSET"] ?? [pads.slice(0, kernel.length), pads.slice(kernel.length)];
  const [strides, groups] = [node.ints("strides") ?? ones, node.int("group") ?? 1];
  return { kernel, strides, dilations, groups, begins: begins ?? zeros, ends: ends ?? zeros };
}

function convVjp(at: Vjp): void {
  const { b, dy } = at;
  const conv = convOf(at.node);
  if (at.wants(0)) at.give(0, inputGradient(at, conv));
  if (at.wants(1)) at.give(1, weightGradient(at, conv));
  if (at.wants(2)) {
    const axes = [0, ...conv.kernel.map((_, axis) => axis + 2)];
    at.give(2, b.op("ReduceSum", [dy, b.ints(axes)], "d_bias", { keepdims: attribute.int(0) }));
  }
}

/** The transposed convolution by the same kernel, without what stands in the padding. */
function inputGradient(at: Vjp, { kernel, strides, dilations, groups, begins, ends }: Conv): Value {
  const { b, dy } = at;
  const attributes = {
    group: attribute.int(groups),
    strides: attribute.ints(strides),
    dilations: attribute.ints(dilations),
    kernel_shape: attribute.ints(kernel),
  };
  if (strides.every((step) => step === 1)) {
    const pads = attribute.ints([...begins, ...ends]);
    return b.op("ConvTranspose", [dy, at.x(1)], "dx", { ...attributes, pads });
  }
  // Steps leave elements at the end that no result reads: as many as there may be are made, and cut.
  const rest = { output_padding: attribute.ints(strides.map((step) => step - 1)) };
  const padded = b.op("ConvTranspose", [dy, at.x(1)], "dx_padded", { ...attributes, ...rest });
  const sizes = b.slice(sizesOf(at, 0), 2, 2 + kernel.length, 0, "sizes_along");
  const starts = b.ints(begins);
  const axes = b.ints(kernel.map((_, axis) => axis + 2));
  return b.op("Slice", [padded, starts, b.op("Add", [sizes, starts], "stops"), axes], "dx");
}

/** One product for each place of the kernel, of the results and of the inputs that it reaches from them. */
function weightGradient(at: Vjp, conv: Conv): Value {
  const { b, dy } = at;
  const { kernel, groups } = conv;
  const along = b.dims(dy, 2, 2 + kernel.length, "sizes_along");
  const inputs = inputsByPlace(at, conv, along);
  const [all, own] = at.shapes.of(at.node.input(1)) ?? [];
  const each = all?.constant === undefined || all.constant === null ? null : all.constant / groups;
  const width = own?.constant ?? null;
  if (each === 1 && width === 1) {
    const axes = b.ints([0, ...kernel.map((_, axis) => axis + 2)]);
    const parts = inputs.map((x) =>
      b.op("ReduceSum", [mul(b, dy, x), axes], "d_tap", { keepdims: attribute.int(0) }),
    );
    return stacked(at, parts, 1);
  }
  const places = count(b, along, "places");
  const grouped = (x: Value, features: number | null): Value => {
    const sizes = b.concat([b.dim(x, 0, "rows"), b.ints([groups, features ?? -1]), places], 0, "sizes");
    return reshaped(b, x, sizes, "grouped");
  };
  const results = grouped(dy, each);
  const parts = inputs.map((x) => {
    const product = b.op(
      "MatMul",
      [results, b.transpose(grouped(x, width), [0, 1, 3, 2], "turned")],
      "d_tap",
    );
    return b.op("ReduceSum", [product, b.ints([0])], "d_tap", { keepdims: attribute.int(0) });
  });
  return stacked(at, parts, 3);
}

/** The gradients of the kernel's places, which become its last axes. */
function stacked(at: Vjp, parts: readonly Value[], axis: number): Value {
  const columns = parts.map((part) => at.b.unsqueeze(part, [axis], "d_column"));
  return reshaped(at.b, at.b.concat(columns, axis, "d_taps"), sizesOf(at, 1), "dw");
}

/** For each place of the kernel the inputs, padded, that the results read there. */
function inputsByPlace(at: Vjp, conv: Conv, along: Value): readonly Value[] {
  const { b } = at;
  const { kernel, strides, dilations, begins, ends } = conv;
  const isPadded = [...begins, ...ends].some((size) => size !== 0);
  const x = isPadded ? b.op("Pad", [at.x(0), b.ints([0, 0, ...begins, 0, 0, ...ends])], "padded") : at.x(0);
  const axes = b.ints(kernel.map((_, axis) => axis + 2));
  // The last place that is read, and one.
  const less = b.op("Sub", [along, b.ints([1])], "less");
  const reach = b.op("Add", [b.op("Mul", [less, b.ints(strides)], "steps"), b.ints([1])], "reach");
  return placesOf(kernel).map((place) => {
    const starts = b.ints(place.map((index, axis) => index * (dilations[axis] ?? 1)));
    return b.op("Slice", [x, starts, b.op("Add", [starts, reach], "stops"), axes, b.ints(strides)], "inputs");
  });
}

/** All places of a kernel, the last axis fastest. */
function placesOf(kernel: readonly number[]): readonly (readonly number[])[] {
  return kernel.reduce<readonly (readonly number[])[]>(
    (places, size) => places.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );
}
