import { attribute } from "../ir/attribute.ts";
import type { Builder } from "../ir/builder.ts";
import { FunctionBuilder } from "../ir/function-builder.ts";
import { functionKey, type Func, type Model } from "../ir/model.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Value } from "../ir/value.ts";
import { TFC_DOMAIN } from "../sites/site.ts";

const NAME = "Barrier";

/**
 * `tfc.Barrier (x, zero)`: x, as soon as zero is known.
 *
 * `Reshape (x, Shape (x) + zero)` copies nothing and changes no number, but a runtime cannot compute what reads it before
 * `zero`, nor take it for what was computed of x before: what is computed again is computed when it is needed.
 */
export function barrierFunction(model: Model, rw: Rewriter): Func {
  const known = model.functions.get(functionKey({ domain: TFC_DOMAIN, name: NAME }));
  if (known !== undefined) return known;
  const b = new FunctionBuilder(rw, model.loc, NAME, model.opset);
  const [x, zero] = [b.input("x"), b.input("zero")];
  const sizes = b.op("Add", [b.op("Shape", [x], "sizes"), zero], "sizes_then");
  const y = b.op("Reshape", [x, sizes], "y", { allowzero: attribute.int(1) });
  const func = b.finish(TFC_DOMAIN, NAME, [y]);
  rw.addFunction(model, func);
  return func;
}

/** A call of {@link barrierFunction}. */
export function barrier(b: Builder, x: Value, zero: Value): Value {
  return b.op(`${TFC_DOMAIN}::${NAME}`, [x, zero], `${x.name ?? "value"}_then`);
}

/**
 * 0, an int64 vector of one element, which is known once some float values are: made of an element of each, whatever it
 * is, also where it is NaN or where there is none.
 */
export function zeroAfter(b: Builder, values: readonly Value[]): Value {
  const firsts = values.map((value) => {
    const flat = b.op("Reshape", [value, b.ints([-1])], "flat");
    return b.cast(b.slice(flat, 0, 1, 0, "first"), "float", "first_number"); // [1], or [0]
  });
  const all = b.concat(firsts, 0, "firsts");
  const isNaN = b.cast(b.op("IsNaN", [all], "is_nan"), "int64", "nans");
  const count = b.op("ReduceSum", [isNaN, b.ints([0])], "nan_count", { keepdims: attribute.int(1) });
  return b.op("Mul", [count, b.ints([0])], "zero");
}
