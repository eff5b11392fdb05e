import type { DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { integersOf } from "../../ops/constant.ts";
import { elementTypeOf } from "../../ops/element-type.ts";
import { rankOf } from "../../ops/rank.ts";
import type { Shapes } from "../symbolic/shapes.ts";
import { isSame, onlyReader } from "./readers.ts";
import { readFactor, type Factor, type InexactNorm } from "./statistics.ts";

/**
 * A norm over the last axis as one op computes it: `x / √(mean(x²) + ε)`, of a LayerNorm x being `x - mean(x)`, in
 * float32, brought to the type of `scale`, times `scale`, plus `bias`.
 */
export interface ExactNorm {
  readonly kind: "rms" | "layer";
  /** `[…, width]`, of type `dtype` */
  readonly input: Value;
  readonly width: number;
  readonly epsilon: number;
  /** `width` elements; null for all ones. */
  readonly scale: Value | null;
  /** `width` elements; null for none, and of an RMSNorm. */
  readonly bias: Value | null;
  /** The type of input, scale, bias and output. */
  readonly dtype: DType;
  readonly output: Value;
}

/**
 * Reads the norm that a mean belongs to.
 *
 * @returns null where no root is made of a mean of squares: then it is none
 */
export function readNorm(mean: Node, shapes: Shapes): ExactNorm | InexactNorm | null {
  const factor = readFactor(mean);
  if (factor === null || "why" in factor) return factor;
  const [axes, computed] = [axesProblem(mean, factor.of), elementTypeOf(factor.of)];
  if (axes !== null) return { why: axes };
  if (computed === null) return { why: "the type it is computed in is not known" };
  // An op computes in float32: what overflows in float16 does not there, and float64 is more exact.
  if (computed !== "float") return { why: `it is computed in ${computed}, and an op computes in float` };
  const width = widthOf(factor.of, shapes);
  if (width === null) return { why: "the width of what the mean is of is not known" };
  return tailOf(factor, width, shapes);
}

/** What keeps a mean from being one over the last axis alone. */
function axesProblem(mean: Node, of: Value): string | null {
  const [axis, ...more] = mean.ints("axes") ?? integersOf(mean.input(1)) ?? [];
  const rank = rankOf(of);
  if (axis === undefined || more.length > 0) return "the mean is over other axes than the last";
  if (axis >= 0 && rank === null) return "the rank of what the mean is of is not known";
  if (axis !== -1 && axis !== (rank ?? 0) - 1) return `the mean is over axis ${axis}, not the last`;
  return (mean.int("keepdims") ?? 1) === 1 ? null : "the mean drops the axis";
}

/** The last dimension of a value: computed, or declared as a number. */
function widthOf(value: Value, shapes: Shapes): number | null {
  const declared = asTensor(value.type)?.shape?.at(-1);
  return shapes.of(value)?.at(-1)?.constant ?? (typeof declared === "number" ? declared : null);
}

/** Reads on behind the factor: casts, weight and bias. */
function tailOf({ of, node, epsilon }: Factor, width: number, shapes: Shapes): ExactNorm {
  const centred = centredBy(of);
  const [kind, wide] = [centred === null ? "rms" : "layer", withoutCasts(centred ?? of, "float")] as const;
  const narrow = narrowed(wide);
  let output = node.result;
  const back = narrow === null ? null : castOf(output, narrow.dtype);
  // Only if the result is cast to what the input was, and multiplied there, is it the op's to cast.
  const { input, dtype } =
    narrow === null || back === null ? { input: wide, dtype: "float" as const } : narrow;
  output = behindCast(back ?? output, dtype);
  const at: Vectors = { width, rank: rankOf(of) ?? 1, shapes };
  const scaled = vectorBehind(output, "Mul", at);
  if (scaled !== null) output = scaled.output;
  const behind = behindCast(output, dtype);
  const shifted = kind === "layer" ? vectorBehind(behind, "Add", at) : null;
  const [scale, bias] = [scaled?.vector ?? null, shifted?.vector ?? null];
  return { kind, input, width, epsilon, scale, bias, dtype, output: shifted?.output ?? output };
}

/** What a value is, with its own mean over the last axis taken away; null where it is something else. */
function centredBy(value: Value): Value | null {
  const node = value.producer;
  const [from, mean] = [node?.input(0) ?? null, node?.input(1)?.producer ?? null];
  if (node?.op !== "Sub" || from === null || mean?.op !== "ReduceMean") return null;
  return isSame(mean.input(0), from) && axesProblem(mean, from) === null ? from : null;
}

/** What casts that change no type are made of. */
function withoutCasts(value: Value, dtype: DType): Value {
  let at = value;
  for (let source = castSource(at); source !== null; source = castSource(at)) {
    if (elementTypeOf(source) !== dtype) return at;
    at = source;
  }
  return at;
}

function castSource({ producer }: Value): Value | null {
  return producer?.op === "Cast" || producer?.op === "CastLike" ? producer.input(0) : null;
}

/** The value of a half type that a cast makes a float32 of. */
function narrowed(wide: Value): { readonly input: Value; readonly dtype: DType } | null {
  const input = castSource(wide);
  const dtype = elementTypeOf(input);
  return input !== null && (dtype === "float16" || dtype === "bfloat16") ? { input, dtype } : null;
}

/** What a value is cast to, if that is all that reads it and the type is the one given. */
function castOf(value: Value, dtype: DType): Value | null {
  const reader = onlyReader(value);
  const cast = reader?.op === "Cast" || reader?.op === "CastLike" ? reader.output(0) : null;
  return cast !== null && reader?.input(0) === value && elementTypeOf(cast) === dtype ? cast : null;
}

/** A value behind casts that change no type. */
function behindCast(value: Value, dtype: DType): Value {
  let at = value;
  for (let next = castOf(at, dtype); next !== null; next = castOf(at, dtype)) at = next;
  return at;
}

/** What vectors are looked for beside: values of so many axes, the last of this width. */
interface Vectors {
  readonly width: number;
  readonly rank: number;
  readonly shapes: Shapes;
}

/** The vector that a value is multiplied by, or that is added to it, where nothing else reads it. */
function vectorBehind(
  value: Value,
  op: "Mul" | "Add",
  { width, rank, shapes }: Vectors,
): { readonly vector: Value; readonly output: Value } | null {
  const node = onlyReader(value);
  if (node?.op !== op) return null;
  const [left, right] = [node.input(0), node.input(1)];
  const vector = left === value ? right : left;
  const sizes = shapes.of(vector);
  if (vector === null || vector === value || !sizes || sizes.length > rank) return null;
  const isVector = sizes.every(({ constant }, axis) => constant === (axis === sizes.length - 1 ? width : 1));
  return isVector && sizes.length > 0 ? { vector, output: node.result } : null;
}
