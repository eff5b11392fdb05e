import { writeFileSync } from "node:fs";
import { Builder } from "flatbuffers";
import { inputError, internalError } from "../../diagnostics/error.ts";
import { byteSize, dtypeNumber } from "../../ir/dtype.ts";
import {
  adapterFields,
  FORMAT_VERSION,
  IDENTIFIER,
  isRunnable,
  parameterFields,
  SIZE_LIMIT,
  type OnnxAdapter,
} from "./format.ts";
import { sizeOf, type WeightTensor } from "../weight.ts";

/** A tensor's bytes begin at a multiple of this, as onnxruntime's schema asks: more than any element needs. */
const DATA_ALIGNMENT = 8;

/** Bytes that a parameter takes at most besides its name, sizes and elements: its table, lengths, and padding. */
const PARAMETER_OVERHEAD = 80;

/** Bytes that a file without parameters takes at most. */
const FILE_OVERHEAD = 128;

/**
 * Writes a file that onnxruntime reads, with the parameters in the order given: the same adapter makes the same
 * bytes. It is built in memory, and written in place: a caller that wants it whole or not at all gives a temporary
 * path and renames it.
 *
 * @throws TfcError ONNX_ADAPTER_UNSUPPORTED with the leaf's name, for what onnxruntime would refuse to read: scalars,
 *   and types that it gives to no graph input; ONNX_ADAPTER_TOO_LARGE near 2 GiB; both before any tensor is read.
 *   FILE_NOT_WRITABLE. INTERNAL when a tensor has more or fewer bytes than its shape says.
 */
export function writeOnnxAdapter(file: string, adapter: OnnxAdapter): void {
  const bytes = build(adapter, measure(adapter.parameters));
  try {
    writeFileSync(file, bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_WRITABLE", { file }, { file, why }, cause);
  }
}

/** Checks every parameter; gives the bytes that the file will take at most. */
function measure(parameters: OnnxAdapter["parameters"]): number {
  let size = FILE_OVERHEAD;
  for (const [name, tensor] of parameters) {
    const text = Buffer.from(name);
    if (name === "" || text.toString() !== name) throw unsupported(name, "a name that is no text");
    const type = `${tensor.dtype}[${tensor.shape.join(",")}]`;
    if (!isRunnable(tensor.dtype)) throw unsupported(name, `a tensor of type ${type}`);
    if (tensor.shape.length === 0) throw unsupported(name, `a scalar of type ${tensor.dtype}`);
    size += text.length + 8 * tensor.shape.length + lengthOf(tensor) + PARAMETER_OVERHEAD;
  }
  if (size > SIZE_LIMIT) throw inputError("ONNX_ADAPTER_TOO_LARGE", {}, { bytes: size, most: SIZE_LIMIT });
  return size;
}

function unsupported(name: string, what: string): Error {
  return inputError("ONNX_ADAPTER_UNSUPPORTED", { name }, { what });
}

function lengthOf(tensor: WeightTensor): number {
  return byteSize(tensor.dtype, sizeOf(tensor)) ?? 0;
}

function build(adapter: OnnxAdapter, size: number): Uint8Array {
  // Room for all from the start: a Builder grows by doubling, which it cannot do above 1 GiB.
  const builder = new Builder(size);
  const tables = [...adapter.parameters].map(([name, tensor]) => addParameter(builder, name, tensor));
  builder.startVector(4, tables.length, 4);
  // A flatbuffer is built from its end.
  for (const table of tables.reverse()) builder.addOffset(table);
  const parameters = builder.endVector();
  const { adapterVersion, modelVersion } = adapter;
  for (const version of [adapterVersion, modelVersion]) {
    if ((version | 0) !== version)
      throw internalError({}, `a version of ${version}, which 32 bits do not hold`);
  }
  builder.startObject(4);
  builder.addFieldOffset(adapterFields.parameters, parameters, 0);
  builder.addFieldInt32(adapterFields.modelVersion, modelVersion, 0);
  builder.addFieldInt32(adapterFields.adapterVersion, adapterVersion, 0);
  builder.addFieldInt32(adapterFields.formatVersion, FORMAT_VERSION, 0);
  builder.finish(builder.endObject(), IDENTIFIER);
  return builder.asUint8Array();
}

/** Gives the place of the parameter's table. */
function addParameter(builder: Builder, name: string, tensor: WeightTensor): number {
  const bytes = tensor.bytes();
  const length = lengthOf(tensor);
  if (bytes.length !== length) {
    throw internalError({ name }, `a tensor of ${length} bytes was given ${bytes.length}`);
  }
  // The Builder aligns a vector of bytes to its length field only.
  builder.prep(DATA_ALIGNMENT, length);
  const rawData = builder.createByteVector(bytes);
  builder.startVector(8, tensor.shape.length, 8);
  for (const size of tensor.shape.toReversed()) builder.addInt64(BigInt(size));
  const dims = builder.endVector();
  const text = builder.createString(name);
  builder.startObject(4);
  builder.addFieldOffset(parameterFields.rawData, rawData, 0);
  builder.addFieldInt32(parameterFields.dataType, dtypeNumber(tensor.dtype), 0);
  builder.addFieldOffset(parameterFields.dims, dims, 0);
  builder.addFieldOffset(parameterFields.name, text, 0);
  return builder.endObject();
}
