import { describe, expect, it } from "@jest/globals";
import { joined, PieceReader } from "../../compiler/ir/pieces.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { concatenated } from "../../compiler/weights/concatenated.ts";

/** A matrix of `rows` whose pieces end anywhere. */
function inPieces(rows: number, width: number, first: number, piece: number): Tensor {
  const numbers = Array.from({ length: rows * width }, (_, i) => first + i);
  const bytes = tensorOf("float", [rows, width], numbers).bytes();
  const produce = function* (): Generator<Uint8Array, void, void> {
    for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
  };
  return new Tensor("float", [rows, width], { kind: "deferred", file: "made", produce });
}

function numbersOf(tensor: Tensor): number[] {
  const bytes = tensor.bytes();
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)];
}

describe("tensors behind each other", () => {
  it("lie row by row along axis 1, wherever pieces end", () => {
    const parts = [inPieces(3, 2, 0, 4), inPieces(3, 1, 100, 8), inPieces(3, 3, 200, 12)];
    const whole = concatenated(parts, { axis: 1, file: "weights" });
    expect([whole.dtype, whole.shape]).toEqual(["float", [3, 6]]);
    expect(numbersOf(whole)).toEqual([
      0, 1, 100, 200, 201, 202, 2, 3, 101, 203, 204, 205, 4, 5, 102, 206, 207, 208,
    ]);
  });

  it("lie one under another along axis 0", () => {
    const whole = concatenated([inPieces(1, 2, 0, 4), tensorOf("float", [2, 2], [7, 8, 9, 10])], {
      axis: 0,
      file: "weights",
    });
    expect(whole.shape).toEqual([3, 2]);
    expect(numbersOf(whole)).toEqual([0, 1, 7, 8, 9, 10]);
  });

  it("are made anew each time, in pieces of a few megabytes", () => {
    const rows = 1 << 14;
    const parts = [inPieces(rows, 512, 0, 1 << 20), inPieces(rows, 256, 0.5, 1 << 18)];
    const whole = concatenated(parts, { axis: 1, file: "weights" });
    const lengths = [...(whole.pieces() as Iterable<Uint8Array>)].map(({ length }) => length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(8 << 20);
    expect(lengths.reduce((a, b) => a + b, 0)).toBe(rows * 768 * 4);
    expect(numbersOf(whole).at(-1)).toBe(rows * 256 - 0.5);
  });
});

describe("a reader of pieces", () => {
  it("gives as many bytes as are asked for, and says when there are no more", () => {
    const reader = new PieceReader([Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3, 4, 5)]);
    expect([...reader.read(1)]).toEqual([1]);
    expect([...reader.read(3)]).toEqual([2, 3, 4]);
    expect([...reader.read(0)]).toEqual([]);
    expect(() => reader.read(2)).toThrow("1 byte too few");
    expect([...joined([Uint8Array.of(1), Uint8Array.of(2)])]).toEqual([1, 2]);
  });
});
