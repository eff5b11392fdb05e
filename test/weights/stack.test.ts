import { describe, expect, it } from "@jest/globals";
import type { Pieces } from "../../compiler/ir/pieces.ts";
import { Tensor, type ByteRange, type Storage } from "../../compiler/ir/tensor.ts";
import { joined } from "../../compiler/ir/pieces.ts";
import { Stack } from "../../compiler/weights/stack.ts";

const SHAPE = [3, 2, 4];
const numbers = Float32Array.from({ length: 24 }, (_, i) => i);
const bytes = new Uint8Array(numbers.buffer);
const MATRIX = 8 * 4;

function matrixOf(stack: Stack, index: number): readonly number[] {
  const own = Uint8Array.from(joined(stack.matrix(index).pieces()));
  return [...new Float32Array(own.buffer)];
}

const wanted = (index: number): readonly number[] => [...numbers.subarray(8 * index, 8 * index + 8)];

describe("a matrix of a stack", () => {
  it.each([
    [0, 1, 2],
    [2, 0, 1],
    [1, 1, 2],
  ])("has its own numbers, asked for as %d, %d, %d", (...order) => {
    const range = { file: "weights.data", offset: 16, length: bytes.length };
    const read = ({ offset, length }: ByteRange): Uint8Array =>
      bytes.subarray(offset - 16, offset - 16 + length);
    const storages: readonly Storage[] = [
      { kind: "memory", bytes },
      { kind: "external", location: "weights.data", range },
      { kind: "inline", range },
      { kind: "typed", length: bytes.length, read: () => bytes },
      { kind: "deferred", file: "weights", produce: () => [bytes.subarray(0, 20), bytes.subarray(20)] },
    ];
    for (const storage of storages) {
      const stack = new Stack(new Tensor("float", SHAPE, storage, { read }));
      for (const index of order) expect(matrixOf(stack, index)).toEqual(wanted(index));
      expect(stack.matrix(0).shape).toEqual([2, 4]);
    }
  });

  it("of one that is made in pieces is made once, where all are asked for in their order", () => {
    let made = 0;
    function* produce(): Generator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += MATRIX / 2) {
        made++;
        yield bytes.subarray(at, at + MATRIX / 2);
      }
    }
    const pieces = (): Pieces => produce();
    const stack = new Stack(
      new Tensor("float", SHAPE, { kind: "deferred", file: "weights", produce: pieces }),
    );
    for (const index of [0, 1, 2]) expect(matrixOf(stack, index)).toEqual(wanted(index));
    expect(made).toBe(6);
  });
});
