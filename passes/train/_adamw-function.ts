import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import { FunctionBuilder } from "../../compiler/ir/function-builder.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { TFC_DOMAIN } from "../../compiler/sites/site.ts";
import { freeName } from "../../compiler/sites/free-name.ts";

/** Numbers that are the same for all parameters: float `[]`, but for the last one. */
export interface StepNumbers {
  /** What gradients are multiplied by: clipping, and the mean over several batches. */
  readonly scale: Value;
  /** 1 − β₁ */
  readonly rate1: Value;
  readonly beta2: Value;
  /** 1 − β₂ */
  readonly rate2: Value;
  readonly epsilon: Value;
  /** η / (1 − β₁ᵗ) */
  readonly size: Value;
  /** √(1 − β₂ᵗ) */
  readonly root: Value;
  /** bool `[]`: whether there is an update */
  readonly applies: Value;
}

/** The order in which the function takes them, behind what is the parameter's own. */
export const numbersOrder = [
  ...(["scale", "rate1", "beta2", "rate2", "epsilon", "size", "root", "applies"] as const),
] satisfies readonly (keyof StepNumbers)[];

/**
 * `tfc.AdamW (p, g, m, v, keep, scale, …) → (p', m', v')`, as torch.optim.AdamW computes it (Loshchilov and Hutter 2019):
 *
 *     m' = m + (1 − β₁)(g − m)
 *     v' = β₂ v + (1 − β₂) g²
 *     p' = (1 − η λ) p − η / (1 − β₁ᵗ) · m' / (√v' / √(1 − β₂ᵗ) + ε)
 *
 * `keep` is 1 − η λ, or 1 for a parameter that does not decay. Where there is no update, p, m and v come out as they are.
 */
export function adamwFunction(model: Model, rw: Rewriter): Func {
  const { loc } = new Builder(rw, atEnd(model.graph));
  const name = freeName(model, "AdamW");
  const b = new FunctionBuilder(rw, loc, name, model.opset);
  const [p, g, m, v, keep] = ["p", "g", "m", "v", "keep"].map((input) => b.input(input)) as [
    ...[Value, Value, Value, Value, Value],
  ];
  const of = Object.fromEntries(numbersOrder.map((input) => [input, b.input(input)])) as Record<
    keyof StepNumbers,
    Value
  >;
  const mul = (x: Value, y: Value, hint: string): Value => b.op("Mul", [x, y], hint);
  const add = (x: Value, y: Value, hint: string): Value => b.op("Add", [x, y], hint);
  const gradient = mul(g, of.scale, "gradient");
  const moved = mul(b.op("Sub", [gradient, m], "difference"), of.rate1, "moved");
  const mean = add(m, moved, "mean");
  const square = mul(mul(gradient, gradient, "squared"), of.rate2, "square");
  const squares = add(mul(v, of.beta2, "kept_squares"), square, "squares");
  const root = b.op("Div", [b.op("Sqrt", [squares], "square_root"), of.root], "corrected_root");
  const direction = b.op("Div", [mean, add(root, of.epsilon, "divisor")], "direction");
  const next = b.op("Sub", [mul(p, keep, "decayed"), mul(direction, of.size, "change")], "next");
  const either = (made: Value, old: Value, hint: string): Value =>
    b.op("Where", [of.applies, made, old], hint);
  const results = [either(next, p, "p_next"), either(mean, m, "m_next"), either(squares, v, "v_next")];
  const func = b.finish(TFC_DOMAIN, name, results);
  rw.addFunction(model, func);
  return func;
}
