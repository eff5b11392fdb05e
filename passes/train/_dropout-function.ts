import { attribute } from "../../compiler/ir/attribute.ts";
import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import { FunctionBuilder } from "../../compiler/ir/function-builder.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { PRIME, ROUNDS } from "../../compiler/ops/draws.ts";
import { TFC_DOMAIN } from "../../compiler/sites/site.ts";
import { freeName } from "../../compiler/sites/free-name.ts";

/**
 * `tfc.Dropout (x, seed, place) → y`: x `[…, n]` with a share of its elements zero, and the others larger by as much.
 *
 * Which ones follows from seed, place and the element's row and column, by whole numbers p = 2^31 − 1 alone: the same
 * wherever and however often it is computed. With mix as in ops/draws.ts,
 *
 *     key = mix(mix(seed mod p) + place),  u = (mix(key + row) + mix(mix(key) + column))⁵ mod p
 *
 * and an element stays where u ≥ share · p. With a seed below 0 all stay as they are.
 */
export function dropoutFunction(model: Model, rw: Rewriter, share: number): Func {
  const { loc } = new Builder(rw, atEnd(model.graph));
  const name = freeName(model, "Dropout");
  const b = new FunctionBuilder(rw, loc, name, model.opset);
  const [x, seed, place] = [b.input("x"), b.input("seed"), b.input("place")];
  const off = b.op("Less", [seed, b.int(0)], "is_off");
  const modulo = (value: Value, hint: string): Value => b.op("Mod", [value, b.int(PRIME)], hint);
  const plus = (value: Value, other: Value): Value => modulo(b.op("Add", [value, other], "sum"), "rest");
  const times = (value: Value, other: Value): Value => modulo(b.op("Mul", [value, other], "product"), "rest");
  const fifth = (value: Value): Value => {
    const square = times(value, value);
    return times(times(square, square), value);
  };
  const mix = (value: Value): Value => ROUNDS.reduce((at, round) => fifth(plus(at, b.int(round))), value);
  const key = mix(plus(mix(modulo(seed, "seed_rest")), place));
  const width = b.op("Shape", [x], "width", { start: attribute.int(-1) }); // [1]
  const matrix = b.op("Reshape", [x, b.concat([b.ints([-1]), width], 0, "rows_of_width")], "matrix");
  const count = b.dims(matrix, 0, 1, "row_count");
  const rows = b.unsqueeze(mix(plus(b.range(count, "row"), key)), [1], "row_draws"); // [rows, 1]
  const columns = mix(plus(b.range(width, "column"), mix(key))); // [n]
  const draw = fifth(plus(rows, columns));
  const stays = b.op("GreaterOrEqual", [draw, b.int(Math.floor(share * PRIME))], "stays");
  const shown = b.op("Reshape", [b.op("Or", [stays, off], "is_kept"), b.op("Shape", [x], "sizes")], "kept", {
    allowzero: attribute.int(1),
  });
  const typed = (number: number, hint: string): Value =>
    b.op("CastLike", [b.constant("float", [], [number], hint), x], `${hint}_typed`);
  const scale = b.op("Where", [off, typed(1, "one"), typed(1 / (1 - share), "larger")], "scale");
  const y = b.op("Where", [shown, b.op("Mul", [x, scale], "scaled"), typed(0, "zero")], "y");
  const func = b.finish(TFC_DOMAIN, name, [y]);
  rw.addFunction(model, func);
  return func;
}
