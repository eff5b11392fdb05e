import { closeSync, openSync, readFileSync, readSync, statSync, type Stats } from "node:fs";
import { inputError, type TfcError } from "../../diagnostics/error.ts";
import { opening } from "../../onnx/open-failure.ts";
import { byteSize, dtypeOf, type DType } from "../../ir/dtype.ts";
import {
  adapterFields,
  FORMAT_VERSION,
  IDENTIFIER,
  parameterFields,
  SIZE_LIMIT,
  type OnnxAdapter,
} from "./format.ts";
import { FlatbufferError, Table } from "./table.ts";
import type { WeightTensor } from "../weight.ts";

export type { OnnxAdapter } from "./format.ts";
export { writeOnnxAdapter } from "./write.ts";

/** Dimensions above which a tensor is refused: as many as NumPy has. */
const RANK_LIMIT = 64;

/**
 * Whether a file says that it is an `.onnx_adapter` file, whatever its name. Folders and pipes are none.
 *
 * @throws TfcError FILE_NOT_FOUND
 */
export function isOnnxAdapter(file: string): boolean {
  if (!look(file).isFile()) return false;
  const start = Buffer.alloc(8);
  const length = opening(file, () => {
    const fd = openSync(file, "r");
    try {
      return readSync(fd, start);
    } finally {
      closeSync(fd);
    }
  });
  return hasIdentifier(start.subarray(0, length));
}

/**
 * Reads a file that onnxruntime's `AdapterFormat`, Olive or {@link writeOnnxAdapter} wrote. All of it is kept in
 * memory; a tensor is copied when its bytes are asked for.
 *
 * Scalars, booleans and complex numbers are read, though onnxruntime writes files of them that it then refuses.
 *
 * @throws TfcError FILE_NOT_FOUND, or ONNX_ADAPTER_INVALID with the name of the leaf where one is at fault.
 */
export function readOnnxAdapter(file: string): OnnxAdapter {
  const bytes = readWhole(file);
  if (!hasIdentifier(bytes)) throw invalid(file, `no identifier ${IDENTIFIER} in bytes 4 to 8`);
  let leaf: string | undefined;
  try {
    const root = Table.root(bytes);
    const version = root.int32(adapterFields.formatVersion);
    if (version !== FORMAT_VERSION) throw new FlatbufferError(`format_version ${version}`);
    const parameters = new Map<string, WeightTensor>();
    for (const table of root.tables(adapterFields.parameters) ?? absent("list of parameters")) {
      leaf = undefined;
      const name = table.text(parameterFields.name) ?? "";
      if (name === "") throw new FlatbufferError(`no name of parameter ${parameters.size}`);
      leaf = name;
      if (parameters.has(name)) throw new FlatbufferError("a second parameter of this name");
      parameters.set(name, parseTensor(table));
    }
    return {
      adapterVersion: root.int32(adapterFields.adapterVersion),
      modelVersion: root.int32(adapterFields.modelVersion),
      parameters,
    };
  } catch (cause) {
    if (!(cause instanceof FlatbufferError)) throw cause;
    throw invalid(file, cause.message, leaf, cause);
  }
}

/** @throws FlatbufferError */
function parseTensor(table: Table): WeightTensor {
  const number = table.int32(parameterFields.dataType);
  const dtype = dtypeOf(number);
  if (dtype === undefined || !fillsBytes(dtype)) {
    throw new FlatbufferError(`data_type ${number}${dtype === undefined ? "" : ` (${dtype})`}`);
  }
  const shape = (table.int64s(parameterFields.dims, RANK_LIMIT) ?? absent("dims")).map((size) => {
    if (size < 0n || size > Number.MAX_SAFE_INTEGER) throw new FlatbufferError(`a size of ${String(size)}`);
    return Number(size);
  });
  const view = table.bytes(parameterFields.rawData) ?? absent("raw_data");
  // A zero decides even where the other sizes together are more than a number can be.
  const count = shape.includes(0) ? 0 : shape.reduce((n, size) => n * size, 1);
  const expected = byteSize(dtype, count) ?? 0;
  if (expected !== view.length) {
    throw new FlatbufferError(
      `${view.length} bytes for ${dtype}[${shape.join(",")}], which takes ${expected}`,
    );
  }
  return { dtype, shape, bytes: () => new Uint8Array(view) };
}

/** Whether elements take whole bytes, and always as many. */
function fillsBytes(dtype: DType): boolean {
  const bits = byteSize(dtype, 8) ?? 0;
  return bits > 0 && bits % 8 === 0;
}

function absent(what: string): never {
  throw new FlatbufferError(`no ${what}`);
}

function hasIdentifier(bytes: Buffer): boolean {
  return bytes.toString("latin1", 4, 8) === IDENTIFIER;
}

function invalid(file: string, why: string, name?: string, cause?: unknown): TfcError {
  return inputError(
    "ONNX_ADAPTER_INVALID",
    { file, ...(name === undefined ? {} : { name }) },
    { why },
    cause,
  );
}

function readWhole(file: string): Buffer {
  const stat = look(file);
  if (!stat.isFile()) {
    const found = stat.isDirectory() ? "a folder" : "something else than a regular file";
    throw inputError("FILE_NOT_FOUND", { file }, { file, found });
  }
  if (stat.size > SIZE_LIMIT) throw invalid(file, `${stat.size} bytes (the limit is ${SIZE_LIMIT})`);
  return opening(file, () => readFileSync(file));
}

/** What is at a path. Asked before it is opened: opening a pipe would wait for someone to write into it. */
function look(file: string): Stats {
  return opening(file, () => statSync(file));
}
