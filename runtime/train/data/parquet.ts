import { openSync, closeSync, readSync } from "node:fs";
import {
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { inputError, type TfcError } from "../../../compiler/diagnostics/error.ts";
import { lookAt, opening } from "../../../compiler/onnx/open-failure.ts";
import { refusePointerAt } from "../../../compiler/onnx/lfs.ts";
import { exampleFields } from "./fields.ts";
import type { Row } from "./row.ts";

/** Rows of a Parquet file; in memory is one of its row groups. @throws TfcError TRAIN_DATA_FILE, FILE_NOT_FOUND */
export async function* parquetRows(file: string, onBytes: (bytes: number) => void): AsyncGenerator<Row> {
  const size = lookAt(file)?.size ?? 0;
  const fd = opening(file, () => {
    refusePointerAt(file);
    return openSync(file, "r");
  });
  try {
    const buffer = readable(fd, size);
    const metadata = await using(file, () => parquetMetadataAsync(buffer));
    const columns = columnsOf(metadata);
    if (columns.length === 0) throw refused(file, `columns ${namesOf(metadata).join(", ") || "of no name"}`);
    let [rowStart, bytes] = [0, 0];
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      const options = { file: buffer, metadata, columns, rowStart, rowEnd, compressors };
      const rows = await using(file, () => parquetReadObjects(options));
      for (const [i, fields] of rows.entries()) yield { line: rowStart + i + 1, fields };
      rowStart = rowEnd;
      bytes += Number(group.total_byte_size);
      onBytes(Math.min(bytes, size));
    }
  } finally {
    closeSync(fd);
  }
}

function readable(fd: number, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    slice: (start, end = byteLength) => {
      const buffer = new ArrayBuffer(end - start);
      const length = readSync(fd, new Uint8Array(buffer), 0, end - start, start);
      if (length < end - start) throw new Error("the file became shorter while it was read");
      return buffer;
    },
  };
}

function namesOf(metadata: FileMetaData): readonly string[] {
  return parquetSchema(metadata).children.map(({ element }) => element.name);
}

/** Those that examples are made of: others may hold images. */
function columnsOf(metadata: FileMetaData): string[] {
  return namesOf(metadata).filter((name) => exampleFields.includes(name));
}

async function using<T>(file: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw refused(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function refused(file: string, found: string, cause?: unknown): TfcError {
  const wanted = "a Parquet file with a column text, prompt and completion, or messages";
  return inputError("TRAIN_DATA_FILE", { file }, { wanted, found }, cause);
}
