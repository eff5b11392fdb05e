import { after, Builder } from "../../../ir/builder.ts";
import { isFloat, type DType } from "../../../ir/dtype.ts";
import type { Model } from "../../../ir/model.ts";
import type { Rewriter } from "../../../ir/rewriter.ts";
import { asTensor, tensorType } from "../../../ir/type.ts";
import type { Use, Value } from "../../../ir/value.ts";
import type { End } from "./ends.ts";

/**
 * By what share elements are changed at most. In float a sum of some hundred terms in another order is off by about this
 * much of the root of its terms' squares; in half precision sums are rounded once, by half of this.
 */
const SHARES: Partial<Readonly<Record<DType, number>>> = {
  double: 2 ** -49,
  float: 2 ** -20,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

/** The graph's input that says which draw it is: one of {@link DRAWS}. */
export const DRAW_INPUT = "tfc.verify.draw";

/** Turns that elements are spread over: many, so that near ones are changed by shares that have nothing to do with each other. */
export const DRAWS: readonly number[] = [4096, 5023, 6007, 7219];

/**
 * Changes each element that modules read by a share of its own, about as much as roundings do before it: x becomes
 * x + x·s·sin(d·x) for each draw d. What that makes of the outputs is what a model makes of roundings, whatever it holds: a matrix
 * product then errs by a share of its terms, not of their sum, as one in another order does.
 *
 * @param as the type whose roundings are meant; by default that of each value
 * @returns how many values are changed
 */
export function jitter(model: Model, rw: Rewriter, ends: Iterable<End>, as: DType | null = null): number {
  const draw = rw.value(model.loc, DRAW_INPUT, tensorType("float", []));
  const done = new Set<Value>();
  for (const { input, dtype } of ends) {
    const type = asTensor(input.type)?.dtype ?? dtype;
    if (done.has(input) || type === null || !isFloat(type)) continue;
    if (jitterOne(rw, input, { type, share: SHARES[as ?? type], draw })) done.add(input);
  }
  if (done.size > 0) rw.addInput(model.graph, draw);
  return done.size;
}

/** Computes in float, or in double; what is no node's result stays. */
function jitterOne(
  rw: Rewriter,
  value: Value,
  { type, share, draw }: { readonly type: DType; readonly share: number | undefined; readonly draw: Value },
): boolean {
  if (value.producer === null || share === undefined) return false;
  const readers = new Set<Use>([...value.uses].filter((use) => use.kind === "input"));
  const b = new Builder(rw, after(value.producer));
  const name = (hint: string): string => `${value.name ?? "value"}.apart.${hint}`;
  const dtype = type === "double" ? "double" : "float";
  const factor = (hint: string, number: number): Value => b.constant(dtype, [], [number], name(hint));
  const x = type === dtype ? value : b.cast(value, dtype, name("wide"));
  const turns = dtype === "float" ? draw : b.cast(draw, dtype, name("turns"));
  const turned = b.op("Mul", [x, turns], name("turned"));
  const part = b.op("Mul", [b.op("Sin", [turned], name("sine")), factor("share", share)], name("part"));
  const changed = b.op("Add", [x, b.op("Mul", [x, part], name("change"))], name("changed"));
  const result = type === dtype ? changed : b.cast(changed, type, name("narrow"));
  rw.replaceUses(value, result, (use) => readers.has(use));
  return true;
}
