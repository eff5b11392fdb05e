import { closeSync } from "node:fs";
import { inputError } from "../../diagnostics/error.ts";
import { openFile, readBytes } from "../open-file.ts";
import { readSafetensors, type StoredTensor } from "./safetensors.ts";
import type { WeightTensor } from "../weight.ts";

/**
 * Opens a safetensors file: its header is read and checked, its tensors when their bytes are asked for.
 *
 * @throws TfcError FILE_NOT_FOUND, or SAFETENSORS_INVALID with the name of the leaf where one is at fault
 */
export function openSafetensors(file: string): {
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  readonly metadata: ReadonlyMap<string, string>;
} {
  const { tensors, metadata } = readSafetensors(file);
  const opened = [...tensors].map(([name, stored]) => {
    const { dtype, shape } = stored;
    return [name, { dtype, shape, bytes: () => readTensor(file, name, stored) }] as const;
  });
  return { tensors: new Map(opened), metadata };
}

function readTensor(file: string, name: string, { offset, length }: StoredTensor): Uint8Array {
  try {
    const fd = openFile(file);
    try {
      return readBytes(fd, offset, length);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const why = `it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw inputError("SAFETENSORS_INVALID", { file, name }, { why }, cause);
  }
}
