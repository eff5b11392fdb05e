import { describe, expect, it } from "@jest/globals";
import { isHalf, type HalfType } from "../../compiler/ir/dtype.ts";
import { joined } from "../../compiler/ir/pieces.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { LARGEST, narrowed, type Unfit } from "../../compiler/weights/narrow.ts";
import { numbersOf } from "../../compiler/weights/convert.ts";
import { random } from "../../runtime/session/random.ts";
import { tensorFrom } from "../../runtime/session/tensor.ts";
import { runModel } from "../support/run-model.ts";

const types = ["float16", "bfloat16"] as const;

/** What onnxruntime's Cast makes of numbers, as float32 again. */
async function cast(numbers: Float32Array, to: HalfType): Promise<readonly number[]> {
  const model = parseModel(`<ir_version: 10, opset_import: ["" : 21]>
g (float[N] x) => (float[N] y) {
  h = Cast <to = ${to === "float16" ? 10 : 16}> (x)
  y = Cast <to = 1> (h)
}`);
  const x = tensorFrom("float", [numbers.length], (i) => numbers[i] ?? 0);
  return [...((await runModel(model, new Map([["x", x]]))).get("y")?.data ?? [])].map(Number);
}

function bytesOf(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

function narrow(numbers: readonly number[], to: HalfType, pieces = [numbers.length]): readonly number[] {
  let at = 0;
  const parts = pieces.map((length) => bytesOf(Float32Array.from(numbers.slice(at, (at += length)))));
  const refuse = ({ index, value }: Unfit): never => {
    throw new Error(`${index}: ${value}`);
  };
  const bytes = joined(narrowed(parts, to, refuse));
  const read = numbersOf(bytes, to);
  return Array.from({ length: bytes.length / 2 }, (_, i) => read(i));
}

describe.each(types)("float32 as %s", (to) => {
  it("is rounded as onnxruntime rounds, whatever the bits", async () => {
    const stream = random(3, "bits");
    const words = Uint32Array.from({ length: 200_000 }, () => stream.below(2 ** 32));
    const all = new Float32Array(words.buffer);
    const edges = [
      65504,
      -65504,
      2 ** -14,
      2 ** -24,
      2 ** -25,
      2 ** -26,
      1.5 * 2 ** -25,
      0,
      -0,
      2049,
      2051,
      1e-40,
    ];
    const numbers = Float32Array.from(
      [...all, ...edges].filter((x) => Number.isFinite(x) && Math.abs(x) <= LARGEST[to]),
    );
    expect(numbers.length).toBeGreaterThan(50_000);
    expect(narrow([...numbers], to)).toEqual(await cast(numbers, to));
  });

  it("is the same in pieces, wherever their bytes begin", () => {
    const numbers = [1, 2.5, -3e-6, 0.1, 7, 8];
    expect(narrow(numbers, to, [1, 3, 2])).toEqual(narrow(numbers, to));
    const shifted = new Uint8Array(9);
    shifted.set(bytesOf(Float32Array.of(0.1, 3)), 1);
    const refuse = (): never => {
      throw new Error("refused");
    };
    expect(joined(narrowed([shifted.subarray(1)], to, refuse))).toEqual(
      joined(narrowed([bytesOf(Float32Array.of(0.1, 3))], to, refuse)),
    );
  });

  it.each([NaN, Infinity, -Infinity])("has no %p among weights, and says where", (value) => {
    expect(() => narrow([0, 1, 0, value], to, [2, 2])).toThrow(`3: ${value}`);
    expect(() => narrow([0, value, 0, 1], to, [2, 2])).toThrow(`1: ${value}`);
  });

  it("has the lowest number for the lowest of float32 in a mask, and infinity for infinity", () => {
    const lowest = Math.fround(-3.4028234663852886e38);
    expect(narrow([0, lowest, 0, -Infinity], to, [3, 1])).toEqual([0, -LARGEST[to], 0, -Infinity]);
    expect(narrow([lowest], to)).toEqual([-LARGEST[to]]);
    expect(narrow([-lowest], to)).toEqual([LARGEST[to]]);
    expect(() => narrow([0, NaN], to)).toThrow("1: NaN");
    expect(() => narrow([0, -lowest], to)).toThrow("1: 3.4");
  });
});

it("is refused of float16 from 65505 on", () => {
  expect(narrow([65504, 1], "float16")).toEqual([65504, 1]);
  expect(() => narrow([1, 65505], "float16")).toThrow("1: 65505");
  expect(narrow([1, 70000], "bfloat16")).toEqual([1, 70144]);
  expect(types.every(isHalf)).toBe(true);
});
