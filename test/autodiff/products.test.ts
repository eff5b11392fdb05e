import { floats, testSlopes } from "./by-differences.ts";
import type { SlopeCase } from "./slopes.ts";

type Shape = readonly number[];

const matmul = (name: string, x: Shape, w: Shape, y: Shape): SlopeCase => ({
  name: `MatMul of ${name}`,
  body: "y = MatMul (x, w)",
  inputs: { x: floats(...x), w: floats(...w) },
  outputs: { y },
});

const gemm = (attributes: string, x: Shape, w: Shape, c?: Shape): SlopeCase => ({
  name: `Gemm <${attributes}> with C of [${c?.join() ?? "nothing"}]`,
  body: `y = Gemm <${attributes}> (x, w${c === undefined ? "" : ", c"})`,
  inputs: { x: floats(...x), w: floats(...w), ...(c === undefined ? {} : { c: floats(...c) }) },
  outputs: { y: [3, 2] },
});

testSlopes("products", [
  matmul("matrices", [3, 4], [4, 2], [3, 2]),
  matmul("rows in three axes", [2, 3, 4], [4, 2], [2, 3, 2]),
  matmul("batches", [2, 3, 4], [2, 4, 2], [2, 3, 2]),
  matmul("a matrix and a batch", [3, 4], [2, 4, 2], [2, 3, 2]),
  matmul("a batch of one and one of two", [1, 2, 3, 4], [2, 1, 4, 2], [2, 2, 3, 2]),
  gemm("alpha = 0.5", [3, 4], [4, 2]),
  gemm("transA = 1, beta = 2.0", [4, 3], [4, 2], [2]),
  gemm("transB = 1", [3, 4], [2, 4], [3, 1]),
  gemm("transA = 1, transB = 1, alpha = 2.0", [4, 3], [2, 4], [1]),
]);

// What is a vector only a known rank tells.
testSlopes(
  "products of vectors",
  [
    matmul("a vector and a matrix", [4], [4, 2], [2]),
    matmul("a vector and a batch", [4], [2, 4, 2], [2, 2]),
    matmul("a matrix and a vector", [3, 4], [4], [3]),
    matmul("a batch and a vector", [2, 3, 4], [4], [2, 3]),
    matmul("vectors", [4], [4], []),
  ],
  ["in the main graph", "in a function"],
);
