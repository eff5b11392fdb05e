import { attribute } from "../ir/attribute.ts";
import type { Builder } from "../ir/builder.ts";
import { FunctionBuilder } from "../ir/function-builder.ts";
import { functionKey, type Func, type Model } from "../ir/model.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Value } from "../ir/value.ts";
import { TFC_DOMAIN } from "../sites/site.ts";
import { lateZero } from "./late.ts";

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

/** 0, an int64 scalar, which is known once some values are; see {@link lateZero}. */
export function zeroAfter(b: Builder, values: readonly Value[]): Value {
  const zeros = values.map((value) => lateZero(b, value));
  return zeros.reduce((sum, zero) => b.op("Add", [sum, zero], "zeros"));
}
