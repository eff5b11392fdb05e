import { inputError, type TfcError } from "../../diagnostics/error.ts";
import type { DType } from "../../ir/dtype.ts";
import { dtypeOfLabel, HEADER_LIMIT, lengthOf } from "./format.ts";

/** One tensor of a file. `offset` counts from the start of the file; offset and length are in bytes. */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/** What the header of a file says, in the order of the bytes. */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Parses and checks a header.
 *
 * @param file what messages call the file
 * @param bytes of the header, without the length before it
 * @throws TfcError SAFETENSORS_INVALID with the name of the leaf where one is at fault
 */
export function parseSafetensors(file: string, bytes: Uint8Array, size: Sizes): SafetensorsHeader {
  const header = parseHeader(file, decode(file, bytes));
  const metadata = new Map<string, string>();
  const tensors: [string, StoredTensor][] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      for (const [key, value] of Object.entries(record(file, name, entry ?? {}))) {
        if (typeof value !== "string") throw invalid(file, `metadata ${JSON.stringify(key)} is not a string`);
        metadata.set(key, value);
      }
    } else {
      tensors.push([name, parseEntry(file, name, entry, size.header)]);
    }
  }
  tensors.sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  checkCover(file, tensors, size);
  return { tensors: new Map(tensors), metadata };
}

/** Bytes of a file. */
export interface Sizes {
  /** where the data begins */
  readonly header: number;
  readonly file: number;
}

/**
 * Where the header of a file ends.
 *
 * @param length what the first eight bytes say, of which there may be fewer
 * @throws TfcError SAFETENSORS_INVALID
 */
export function headerEnd(file: string, length: Uint8Array, size: number): number {
  if (size < 8 || length.length < 8) throw invalid(file, `${size} bytes, too few for the length of a header`);
  const said = new DataView(length.buffer, length.byteOffset, 8).getBigUint64(0, true);
  if (said > HEADER_LIMIT)
    throw invalid(file, `a header of ${String(said)} bytes (the limit is ${HEADER_LIMIT})`);
  const end = 8 + Number(said);
  if (end > size) throw invalid(file, `a header that ends at byte ${end} of a file of ${size} bytes`);
  return end;
}

/** SAFETENSORS_INVALID */
export function invalid(file: string, why: string, name?: string, cause?: unknown): TfcError {
  return inputError("SAFETENSORS_INVALID", { file, ...(name === undefined ? {} : { name }) }, { why }, cause);
}

function decode(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid(file, "a header that is not UTF-8", undefined, cause);
  }
}

function parseHeader(file: string, text: string): Record<string, unknown> {
  // A file of another kind gives a wild length and then bytes that are no JSON: the first one tells.
  if (!text.startsWith("{")) throw invalid(file, "a header that does not begin with {");
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw invalid(
      file,
      `a header that is not JSON (${cause instanceof Error ? cause.message : ""})`,
      undefined,
      cause,
    );
  }
}

function record(file: string, name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(file, "an entry that is not a JSON object", name);
  }
  return value as Record<string, unknown>;
}

function sizes(value: unknown): readonly number[] | null {
  const isSize = (n: unknown): n is number => typeof n === "number" && Number.isSafeInteger(n) && n >= 0;
  return Array.isArray(value) && value.every(isSize) ? value : null;
}

function parseEntry(file: string, name: string, value: unknown, base: number): StoredTensor {
  const entry = record(file, name, value);
  const label = entry["dtype"];
  const dtype = typeof label === "string" ? dtypeOfLabel(label) : undefined;
  if (dtype === undefined) throw invalid(file, `an unknown dtype ${JSON.stringify(label)}`, name);
  const shape = sizes(entry["shape"]);
  if (shape === null) throw invalid(file, "a shape that is not a list of sizes", name);
  const [begin, end, ...more] = sizes(entry["data_offsets"]) ?? [];
  if (begin === undefined || end === undefined || more.length > 0 || end < begin) {
    throw invalid(file, `data_offsets ${JSON.stringify(entry["data_offsets"])}, not [begin, end]`, name);
  }
  const [expected, type] = [lengthOf(dtype, shape), `${dtype}[${shape.join(",")}]`];
  if (expected === null) throw invalid(file, `${type}, which ends inside a byte`, name);
  if (expected !== end - begin) {
    throw invalid(file, `${end - begin} bytes for ${type}, which takes ${expected}`, name);
  }
  return { dtype, shape, offset: base + begin, length: end - begin };
}

/** The tensors must cover the data: none over another, no byte between two, none after the last. */
function checkCover(file: string, sorted: readonly (readonly [string, StoredTensor])[], size: Sizes): void {
  let at = size.header;
  for (const [name, { offset, length }] of sorted) {
    if (offset > at) throw invalid(file, `${offset - at} bytes before this tensor that belong to none`, name);
    if (offset < at) throw invalid(file, `${at - offset} bytes shared with the tensor before`, name);
    at += length;
    if (at > size.file)
      throw invalid(file, `a tensor that ends at byte ${at} of a file of ${size.file} bytes`, name);
  }
  if (at < size.file) throw invalid(file, `${size.file - at} bytes after the last tensor`);
}
