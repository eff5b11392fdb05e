import { byteSize } from "../../compiler/ir/dtype.ts";
import type { Tensor } from "../../compiler/ir/tensor.ts";
import type { ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import { numbersOf } from "../../compiler/weights/convert.ts";

/** Elements compared before two weights are taken for copies of each other. */
const COMPARED = 64;

/** Whether a head's weight is the embeddings': the same initializer, or one that holds the same numbers. */
export function isTiedCopy(embedding: ParameterPlace, head: ParameterPlace): boolean {
  const [table, matrix] = [embedding.weight.root, head.weight.root];
  if (table === matrix) return true;
  if (embedding.shape.join() !== head.shape.join()) return false;
  const [a, b] = [table.constant, matrix.constant];
  if (a === undefined || b === undefined || isMissing(a) || isMissing(b)) return false;
  const [rows = 0, columns = 0] = embedding.shape;
  // The readers' layouts, seen through what turns the stored matrices on their way.
  const isInFirst = head.isInFirst !== head.weight.transposed;
  const isTableInFirst = embedding.weight.transposed;
  return Array.from(
    { length: COMPARED },
    (_, i) => [(i * 7919) % rows, (i * 104729) % columns] as const,
  ).every(
    ([row, column]) =>
      elementOf(a, isTableInFirst ? column * rows + row : row * columns + column) ===
      elementOf(b, isInFirst ? column * rows + row : row * columns + column),
  );
}

function isMissing({ storage }: Tensor): boolean {
  return storage.kind === "strings" || (storage.kind === "external" && storage.range === null);
}

function elementOf(tensor: Tensor, index: number): number {
  const { at, dtype, storage } = tensor;
  const size = byteSize(dtype, 1) ?? 0;
  const isRange = at !== null && (storage.kind === "inline" || storage.kind === "external");
  const bytes = isRange
    ? tensor.stored({ ...storage, range: { ...at, offset: at.offset + index * size, length: size } }).bytes()
    : tensor.bytes().subarray(index * size, (index + 1) * size);
  return numbersOf(bytes, dtype)(0);
}
