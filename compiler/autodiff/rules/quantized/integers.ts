import { attribute } from "../../../ir/attribute.ts";
import type { Builder } from "../../../ir/builder.ts";
import type { Value } from "../../../ir/value.ts";
import { byAll, type Rule } from "../../rule.ts";
import { like } from "../../terms.ts";

/**
 * Products of whole numbers, as those of the floats that they stand for. A weight among them becomes floats by a
 * DequantizeLinear, which onnxruntime does not fold.
 */

/** (a, b, a_zero, b_zero) */
export const matMulIntegerRule: Rule = {
  by: () => [0, 1],
  write: (at) => {
    const { dy } = at;
    at.through((b, [a = null, w = null, aZero = null, wZero = null]) => [
      product(
        b,
        floats(b, a, ones(b, aZero, dy), aZero, ROWS),
        floats(b, w, ones(b, wZero, dy), wZero, COLUMNS),
      ),
    ]);
  },
};

/** (a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero) */
export const qLinearMatMulRule: Rule = {
  by: () => [0, 3],
  write: (at) => {
    at.through((b, [a = null, aScale = null, aZero = null, w = null, wScale = null, wZero = null, ...y]) => {
      const made = product(b, floats(b, a, aScale, aZero, ROWS), floats(b, w, wScale, wZero, COLUMNS));
      return [b.op("QuantizeLinear", [made, ...y], "quantized")];
    });
  },
};

/** (x, b, b_scale, b_zero, bias) */
export const dynamicQuantizeMatMulRule: Rule = {
  by: (node) => byAll(node).filter((i) => i === 0 || i === 4),
  write: (at) => {
    at.through((b, [x = null, w = null, scale = null, zero = null, bias = null]) => [
      added(b, product(b, x, floats(b, w, scale, zero, COLUMNS)), bias),
    ]);
  },
};

/** (a, b, a_scale, b_scale, a_zero, b_zero, bias) */
export const matMulIntegerToFloatRule: Rule = {
  by: (node) => byAll(node).filter((i) => i < 2 || i === 6),
  write: (at) => {
    at.through(
      (b, [a = null, w = null, aScale = null, wScale = null, aZero = null, wZero = null, bias = null]) => {
        const made = product(b, floats(b, a, aScale, aZero, ROWS), floats(b, w, wScale, wZero, COLUMNS));
        return [added(b, made, bias)];
      },
    );
  },
};

/** The axis that has scales and zero points of its own, where there are several. */
const [ROWS, COLUMNS] = [-2, -1];

function floats(b: Builder, x: Value | null, scale: Value | null, zero: Value | null, axis: number): Value {
  const inputs = [x, scale, ...(zero === null ? [] : [zero])];
  return b.op("DequantizeLinear", inputs, "floats", { axis: attribute.int(axis) });
}

/** The scale 1, as many as there are zero points. */
function ones(b: Builder, zero: Value | null, typed: Value): Value {
  const one = like(b, 1, typed);
  return zero === null ? one : b.op("Expand", [one, b.op("Shape", [zero], "zero_sizes")], "ones");
}

function product(b: Builder, a: Value | null, w: Value): Value {
  return b.op("MatMul", [a, w], "product");
}

function added(b: Builder, x: Value, bias: Value | null): Value {
  return bias === null ? x : b.op("Add", [x, bias], "biased");
}
