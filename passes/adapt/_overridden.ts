import { byteSize, type DType } from "../../compiler/ir/dtype.ts";
import type { Tensor } from "../../compiler/ir/tensor.ts";
import type { ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import { convert } from "../../compiler/weights/convert.ts";
import { turnedLast } from "../../compiler/weights/transpose.ts";

/** A parameter as Hugging Face lays it out, `[out, in]` or `[features]`, with its place. */
export interface Overriding {
  readonly place: ParameterPlace;
  /** Its elements in the reader's type. */
  readonly bytes: () => Uint8Array;
}

/** A matrix of the base, whoever reads it. */
export type StoredMatrix = Pick<ParameterPlace, "shape" | "dtype" | "weight" | "isInFirst" | "packed">;

/** The shape of what the reader reads: of a packed projection all its parts. */
export function readShape({ shape, packed, isInFirst }: ParameterPlace): readonly number[] {
  const whole = packed === null ? shape : [packed.of, ...shape.slice(1)];
  const [rows = 0, columns] = whole.slice(-2);
  if (columns === undefined) return [rows];
  return isInFirst ? [...whole.slice(0, -2), columns, rows] : whole;
}

/** The bytes of what a node reads when some of it is replaced; what is not stays the base's. */
export function overriddenBytes(parts: readonly Overriding[]): Uint8Array {
  const [first] = parts;
  if (first === undefined) throw new Error("nothing is replaced");
  const { place } = first;
  const size = byteSize(place.dtype, 1) ?? 0;
  const whole = place.packed === null ? first.bytes() : packedBytes(parts, place, size);
  const shape = place.packed === null ? place.shape : [place.packed.of, ...place.shape.slice(1)];
  return shape.length > 1 && place.isInFirst ? turnedLast(whole, shape, size) : whole;
}

/** All parts `[of, in]`, those given over those of the base. */
function packedBytes(parts: readonly Overriding[], place: ParameterPlace, size: number): Uint8Array {
  const width = (place.shape[1] ?? 1) * size;
  const covered = parts.reduce((n, { place: { packed } }) => n + (packed?.width ?? 0), 0);
  const whole = covered === place.packed?.of ? new Uint8Array(covered * width) : outFirst(place).slice();
  for (const { place: one, bytes } of parts) whole.set(bytes(), (one.packed?.start ?? 0) * width);
  return whole;
}

/** The base's own weight as Hugging Face has it, `[out, in]`, of a packed one its part; in the reader's type. */
export function baseBytes(place: StoredMatrix): Uint8Array {
  const whole = outFirst(place);
  if (place.packed === null) return whole;
  const row = (place.shape[1] ?? 1) * (byteSize(place.dtype, 1) ?? 0);
  const { start, width } = place.packed;
  return whole.subarray(start * row, (start + width) * row);
}

/** The base's own weight as `[out, in]`, in the reader's type. */
function outFirst({
  weight,
  isInFirst,
  dtype,
}: Pick<ParameterPlace, "weight" | "isInFirst" | "dtype">): Uint8Array {
  const tensor = weight.root.constant;
  if (tensor === undefined) throw new Error("a weight without a tensor");
  const bytes = typed(tensor, dtype);
  // The stored matrix is the reader's, or its transpose.
  const isStoredInFirst = isInFirst !== weight.transposed;
  return tensor.shape.length > 1 && isStoredInFirst
    ? turnedLast(bytes, tensor.shape, byteSize(dtype, 1) ?? 0)
    : bytes;
}

function typed(tensor: Tensor, dtype: DType): Uint8Array {
  return convert(tensor.bytes(), tensor.dtype, dtype);
}
