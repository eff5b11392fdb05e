import { elementTypeOf, ortNameOf, zeros, sizeOf, type HostTensor, type Port } from "../session/tensor.ts";
import type { Ort, OrtPort, OrtTensor } from "./ort.ts";
import type { DefaultTensor } from "./spec.ts";

/** A tensor as onnxruntime takes it. */
export function toOrt(ort: Ort, { dtype, dims, data }: HostTensor): OrtTensor {
  // A HostTensor's data fit its dtype; the constructor's overloads, one for each type, cannot take the union.
  return new ort.Tensor(ortNameOf(dtype) as never, data as never, dims);
}

/** A tensor that onnxruntime gave; null of a type that is not known here. */
export function fromOrt({ type, dims, data }: OrtTensor): HostTensor | null {
  const dtype = elementTypeOf(type);
  if (dtype === null) return null;
  // Where JavaScript has a Float16Array it is one; bit patterns are what every version can hold.
  const elements =
    dtype === "float16" && ArrayBuffer.isView(data)
      ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
      : (data as HostTensor["data"]);
  return { dtype, dims, data: elements };
}

/** An input or output. */
export function portOf(port: OrtPort): Port {
  if (!port.isTensor) return { name: port.name, dtype: null, dims: [] };
  return { name: port.name, dtype: elementTypeOf(port.type), dims: port.shape };
}

/** What stands for an input that a run leaves out. */
export function defaultOf({ dtype, dims, data }: DefaultTensor): HostTensor {
  const elements = zeros(dtype, sizeOf(dims));
  const isWide = elements instanceof BigInt64Array || elements instanceof BigUint64Array;
  for (const [i, value] of data.entries()) elements[i] = isWide ? BigInt(value) : value;
  return { dtype, dims, data: elements };
}
