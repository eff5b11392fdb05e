import { inputError, TfcError } from "../../compiler/diagnostics/error.ts";
import { ZipFile } from "../../compiler/weights/torch/zip.ts";
import { sizeOf, zeros, type ElementType, type HostTensor, type Tensors } from "../session/tensor.ts";

/** Element types by numpy's codes, little-endian. */
const types: ReadonlyMap<string, ElementType> = new Map([
  ["<f2", "float16"],
  ["<f4", "float"],
  ["<f8", "double"],
  ["|i1", "int8"],
  ["|u1", "uint8"],
  ["<i2", "int16"],
  ["<u2", "uint16"],
  ["<i4", "int32"],
  ["<u4", "uint32"],
  ["<i8", "int64"],
  ["<u8", "uint64"],
  ["|b1", "bool"],
]);

type Numbers = Exclude<HostTensor["data"], string[]>;

const MAGIC = "\x93NUMPY";

/**
 * The arrays of an `.npz` file, as numpy.savez and savez_compressed write it: a zip archive of `.npy` files.
 *
 * @throws TfcError LOGITS_FILE for what is no such file, and for arrays in another order or of other types
 */
export function readNpz(file: string): Tensors {
  try {
    const zip = new ZipFile(file);
    return new Map(
      [...zip.entries.values()].map((entry) => {
        const name = entry.name.replace(/\.npy$/, "");
        return [name, arrayOf(file, name, zip.read(entry))];
      }),
    );
  } catch (error) {
    if (!(error instanceof TfcError) || !error.code.startsWith("TORCH_")) throw error;
    const [first] = error.diagnostics;
    const found = first?.found ?? first?.what ?? "";
    throw inputError(
      "LOGITS_FILE",
      { file },
      { what: "it is no .npz file", wanted: "an archive", found },
      error,
    );
  }
}

/** The format of numpy.lib.format: magic, version, the length of the header, a Python dict, the elements. */
function arrayOf(file: string, name: string, bytes: Uint8Array): HostTensor {
  const refuse = (wanted: string, found: string): Error =>
    inputError("LOGITS_FILE", { file, name }, { what: "an array cannot be read", wanted, found });
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 12 || buffer.toString("latin1", 0, 6) !== MAGIC)
    throw refuse("a .npy file", "another one");
  const isFirst = buffer[6] === 1;
  const start = isFirst ? 10 : 12;
  const end = start + (isFirst ? buffer.readUInt16LE(8) : buffer.readUInt32LE(8));
  const header = buffer.toString("latin1", start, end);
  const code = /'descr':\s*'([^']*)'/.exec(header)?.[1] ?? "";
  const dtype = types.get(code);
  if (dtype === undefined) throw refuse(`one of ${[...types.keys()].join(", ")}`, code || "no plain type");
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (shape === undefined) throw refuse("a shape", "none");
  const dims = (shape.match(/\d+/g) ?? []).map(Number);
  if (dims.length > 1 && !/'fortran_order':\s*False/.test(header))
    throw refuse("rows one after another (numpy.ascontiguousarray)", "columns");
  const count = sizeOf(dims);
  const given = Math.max(0, bytes.length - end);
  // Before room is made for them: a shape may claim anything.
  const { BYTES_PER_ELEMENT: width } = zeros(dtype, 0) as Numbers;
  if (given !== count * width) throw refuse(`${count * width} bytes`, `${given}`);
  const data = zeros(dtype, count) as Numbers;
  new Uint8Array(data.buffer).set(bytes.subarray(end));
  return { dtype, dims, data };
}
