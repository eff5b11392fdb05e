import { describe, expect, test } from "@jest/globals";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Tensor } from "../../../compiler/ir/tensor.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import { encodeNumbers } from "../../../compiler/weights/convert.ts";
import { dequantize } from "../../../compiler/weights/nbits/dequantize.ts";
import { quantizeMatrix } from "../../../compiler/weights/nbits/matrix.ts";
import type { BlockSettings } from "../../../compiler/weights/nbits/settings.ts";
import { transposed } from "../../../compiler/weights/transpose.ts";

interface Case {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly [number, number];
  readonly weight: string;
  readonly results: readonly (readonly [BlockSettings["bits"], BlockSettings["block"], boolean, string])[];
}

const cases = JSON.parse(readFileSync(new URL("oracle.json", import.meta.url), "utf8")) as readonly Case[];

function digest(parts: readonly (Uint8Array | null)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) if (part !== null) hash.update(part);
  return hash.digest("hex").slice(0, 16);
}

/** A matrix `[in, out]` in memory, also stored the other way round. */
function matrixOf({ dtype, shape, weight }: Pick<Case, "dtype" | "shape" | "weight">, isInFirst: boolean) {
  const [inFeatures, outFeatures] = shape;
  const bytes = new Uint8Array(Buffer.from(weight, "base64"));
  const stored = isInFirst
    ? bytes
    : transposed(bytes, inFeatures, outFeatures, bytes.length / (inFeatures * outFeatures));
  const tensor = new Tensor(dtype, isInFirst ? shape : [outFeatures, inFeatures], {
    kind: "memory",
    bytes: stored,
  });
  return { inFeatures, outFeatures, isInFirst, tensor, dtype };
}

describe("what onnxruntime's quantizer makes, bit for bit", () => {
  for (const one of cases) {
    test(`${one.name}, ${one.dtype}`, () => {
      for (const isInFirst of [true, false]) {
        for (const [bits, block, symmetric, wanted] of one.results) {
          const made = quantizeMatrix(matrixOf(one, isInFirst), { bits, block, symmetric });
          const parts =
            "output" in made ? [] : [made.packed, encodeNumbers(made.scales, one.dtype), made.zeroPoints];
          expect([bits, block, symmetric, isInFirst, digest(parts)]).toEqual([
            bits,
            block,
            symmetric,
            isInFirst,
            wanted,
          ]);
        }
      }
    });
  }

  test("of every element type and kind of numbers there is a case", () => {
    expect(new Set(cases.map(({ dtype }) => dtype))).toEqual(new Set(["float", "float16", "bfloat16"]));
    expect(cases.length).toBeGreaterThan(20);
  });
});

test("numbers are at most a step from what they are quantized to", () => {
  const [random] = cases;
  if (random === undefined) throw new Error("no case");
  const matrix = matrixOf(random, false);
  const [inFeatures] = random.shape;
  const bytes = matrix.tensor.bytes();
  const exact = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (const bits of [4, 8] as const) {
    const settings = { bits, block: 16, symmetric: false } as const;
    const made = quantizeMatrix(matrix, settings);
    if ("output" in made) throw new Error("not finite");
    const numbers = dequantize(made, inFeatures, settings);
    const blocks = Math.ceil(inFeatures / 16);
    for (const [i, x] of numbers.entries()) {
      const scale = made.scales[Math.floor(i / inFeatures) * blocks + Math.floor((i % inFeatures) / 16)] ?? 0;
      // The zero point is rounded, too: an end of the range may be half a step farther away.
      expect(Math.abs(x - (exact[i] ?? 0))).toBeLessThanOrEqual(1.001 * scale);
    }
  }
});

test.each(["float", "float16", "bfloat16"] as const)("what is no finite %s number is told", (dtype) => {
  for (const strange of [NaN, Infinity, -Infinity]) {
    for (const place of [0, 40, 89]) {
      const numbers = Float32Array.from({ length: 90 }, (_, i) => (i === place ? strange : i / 90));
      const weight = Buffer.from(encodeNumbers(numbers, dtype)).toString("base64");
      const settings = { bits: 4, block: 16, symmetric: true } as const;
      for (const isInFirst of [true, false]) {
        const matrix = matrixOf({ dtype, shape: [45, 2], weight }, isInFirst);
        const [input, output] = [Math.floor(place / 2), place % 2];
        expect(quantizeMatrix(matrix, settings)).toEqual({ output, input, value: strange });
      }
    }
  }
});

test("a range that single precision cannot hold has no scale", () => {
  const numbers = Float32Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 3e38 : -3e38));
  const weight = Buffer.from(encodeNumbers(numbers, "float")).toString("base64");
  const matrix = matrixOf({ dtype: "float", shape: [16, 1], weight }, true);
  const [most, least] = [Math.fround(3e38), Math.fround(-3e38)];
  const told = { output: 0, input: 0, least, most };
  expect(quantizeMatrix(matrix, { bits: 4, block: 16, symmetric: false })).toEqual(told);
  expect(quantizeMatrix(matrix, { bits: 4, block: 16, symmetric: true })).toHaveProperty("packed");
});
