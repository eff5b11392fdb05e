import { open, type FileHandle } from "node:fs/promises";
import { inputError, internalError, TfcError } from "../diagnostics/error.ts";
import type { SafetensorsLayout } from "./safetensors-layout.ts";

/** A tensor's bytes, little-endian: all at once, or in pieces of any size. */
export type TensorSource = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file as laid out, one tensor after another; only what `produce` gives is in memory. The file is written
 * in place: a caller that wants it whole or not at all gives a temporary path and renames it.
 *
 * @throws TfcError FILE_NOT_WRITABLE; INTERNAL when `produce` gives more or fewer bytes than the layout has.
 */
export async function writeSafetensors(
  file: string,
  layout: SafetensorsLayout,
  produce: (name: string) => TensorSource | Promise<TensorSource>,
): Promise<void> {
  const handle = await writing(file, () => open(file, "w"));
  try {
    await writeAll(file, handle, layout.header);
    for (const [name, { length }] of layout.tensors) {
      let written = 0;
      for await (const piece of pieces(await produce(name))) {
        written += piece.length;
        if (written > length) break;
        await writeAll(file, handle, piece);
      }
      if (written !== length) {
        throw internalError(
          { file, name },
          `a tensor of ${length} bytes was given ${written > length ? "more" : String(written)}`,
        );
      }
    }
  } finally {
    await handle.close();
  }
}

function pieces(source: TensorSource): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  return source instanceof Uint8Array ? [source] : source;
}

async function writeAll(file: string, handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await writing(file, () => handle.write(bytes, done));
    done += bytesWritten;
  }
}

/** Failures of the file system name the file; those of the producer pass through as they are. */
async function writing<T>(file: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (cause instanceof TfcError) throw cause;
    throw inputError(
      "FILE_NOT_WRITABLE",
      { file },
      { file, why: cause instanceof Error ? cause.message : String(cause) },
      cause,
    );
  }
}
