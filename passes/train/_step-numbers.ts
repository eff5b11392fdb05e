import { attribute } from "../../compiler/ir/attribute.ts";
import type { Builder } from "../../compiler/ir/builder.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { StepNumbers } from "./_adamw-function.ts";

/** Settings of an update, as the graph takes them: float `[]`, but for the step. */
export interface StepSettings {
  readonly learningRate: Value;
  /** int64 `[]` */
  readonly step: Value;
  readonly beta1: Value;
  readonly beta2: Value;
  readonly epsilon: Value;
  readonly weightDecay: Value;
  readonly maxNorm: Value;
}

/** Decimals that a float of about 1 has. */
const DECIMALS = 1e7;

/** What AdamW's formula needs of the settings, computed once in doubles, as Python computes it. */
export function stepNumbers(
  b: Builder,
  { learningRate, step, beta1, beta2, epsilon, weightDecay }: StepSettings,
): Omit<StepNumbers, "scale" | "applies"> & { readonly keep: Value } {
  const [rate, t, decay] = [learningRate, step, weightDecay].map((value) =>
    b.cast(value, "double", `${value.name ?? "number"}_double`),
  ) as [Value, Value, Value];
  const one = b.constant("double", [], [1], "one_double");
  const lessThanOne = (value: Value, name: string): Value => b.op("Sub", [one, value], name);
  const float = (value: Value, name: string): Value => b.cast(value, "float", name);
  const corrected = (beta: Value, name: string): Value =>
    lessThanOne(b.op("Pow", [beta, t], `${name}_power`), `${name}_correction`);
  const [first, second] = [decimal(b, beta1, "beta1"), decimal(b, beta2, "beta2")];
  return {
    rate1: float(lessThanOne(first, "rate1_double"), "rate1"),
    beta2: float(second, "beta2_float"),
    rate2: float(lessThanOne(second, "rate2_double"), "rate2"),
    epsilon,
    size: float(b.op("Div", [rate, corrected(first, "first")], "size_double"), "step_size"),
    root: float(b.op("Sqrt", [corrected(second, "second")], "root_double"), "correction_root"),
    keep: float(lessThanOne(b.op("Mul", [rate, decay], "decayed_share"), "keep_double"), "kept_share"),
  };
}

/**
 * A float as the decimal number that was meant: the float nearest to 0.999 is 1.3e-8 off, of which 1 − β₂ would have a
 * thousand times as much.
 */
function decimal(b: Builder, value: Value, name: string): Value {
  const many = b.constant("double", [], [DECIMALS], "decimals");
  const scaled = b.op("Mul", [b.cast(value, "double", `${name}_double`), many], `${name}_scaled`);
  return b.op("Div", [b.op("Round", [scaled], `${name}_round`), many], `${name}_decimal`);
}

/** Norm of all gradients together, and what clips them to a largest norm, as torch.nn.utils.clip_grad_norm_ does. */
export function clipping(
  b: Builder,
  gradients: readonly Value[],
  maxNorm: Value,
  divisor: Value | null,
): { readonly norm: Value; readonly scale: Value; readonly isFinite: Value } {
  const squares = gradients.map((gradient) =>
    b.op("ReduceSumSquare", [gradient], "gradient_squares", { keepdims: attribute.int(0) }),
  );
  const total = b.op("Sqrt", [b.op("Sum", squares, "squares_of_all")], "gradients_norm");
  const norm = divisor === null ? total : b.op("Div", [total, divisor], "mean_norm");
  const [zero, one] = [b.constant("float", [], [0], "zero"), b.constant("float", [], [1], "one_float")];
  const above = b.op("Add", [norm, b.constant("float", [], [1e-6], "least_norm")], "norm_above");
  const ratio = b.op("Min", [b.op("Div", [maxNorm, above], "norm_ratio"), one], "clipped_ratio");
  const clips = b.op("Greater", [maxNorm, zero], "clips");
  const clip = b.op("Where", [clips, ratio, one], "clip");
  const isBad = b.op("Or", [b.op("IsNaN", [norm], "is_nan"), b.op("IsInf", [norm], "is_infinite")], "is_bad");
  return {
    norm,
    scale: divisor === null ? clip : b.op("Div", [clip, divisor], "mean_clip"),
    isFinite: b.op("Not", [isBad], "is_finite"),
  };
}
