import { closeSync, fstatSync } from "node:fs";
import { TfcError } from "../../diagnostics/error.ts";
import { openFile, readBytes } from "../open-file.ts";
import { headerEnd, invalid, parseSafetensors, type SafetensorsHeader } from "./header.ts";

export { layoutSafetensors, type SafetensorsEntry, type SafetensorsLayout } from "./layout.ts";
export { writeSafetensors, type TensorSource } from "./write.ts";
export type { SafetensorsHeader, StoredTensor } from "./header.ts";

/**
 * Reads and checks the header of a safetensors file; no tensor is read.
 *
 * @throws TfcError FILE_NOT_FOUND, or SAFETENSORS_INVALID with the name of the leaf where one is at fault.
 */
export function readSafetensors(file: string): SafetensorsHeader {
  const { bytes, header, size } = readHeader(file);
  return parseSafetensors(file, bytes, { header, file: size });
}

interface Header {
  readonly bytes: Uint8Array;
  /** Where it ends. */
  readonly header: number;
  /** Bytes of the file. */
  readonly size: number;
}

function readHeader(file: string): Header {
  const fd = openFile(file);
  try {
    const size = fstatSync(fd).size;
    const header = headerEnd(file, readBytes(fd, 0, Math.min(8, size)), size);
    return { bytes: readBytes(fd, 8, header - 8), header, size };
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    const why = `it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw invalid(file, why, undefined, cause);
  } finally {
    closeSync(fd);
  }
}
