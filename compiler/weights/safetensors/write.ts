import { writeSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { inputError, internalError, TfcError } from "../../diagnostics/error.ts";
import type { SafetensorsLayout } from "./layout.ts";

/** A tensor's bytes, little-endian: all at once, or in pieces of any size, each in memory of its own. */
export type TensorSource = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file as laid out, one tensor after another; in memory are the piece that is being written and the one that
 * `produce` gives meanwhile. Pieces of zeros become holes, which a file system need not store. The file is written in
 * place: a caller that wants it whole or not at all gives a temporary path and renames it.
 *
 * @throws TfcError FILE_NOT_WRITABLE; INTERNAL when `produce` gives more or fewer bytes than the layout has.
 */
export async function writeSafetensors(
  file: string,
  layout: SafetensorsLayout,
  produce: (name: string) => TensorSource | Promise<TensorSource>,
): Promise<void> {
  const handle = await writing(file, () => open(file, "w"));
  const writer = new Writer(file, handle);
  try {
    await writer.begin(layout.header, 0);
    for (const [name, { offset, length }] of layout.tensors) {
      let written = 0;
      for await (const piece of pieces(await produce(name))) {
        if (written + piece.length <= length) await writer.begin(piece, offset + written);
        written += piece.length;
        if (written > length) break;
      }
      if (written !== length) {
        throw internalError(
          { file, name },
          `a tensor of ${length} bytes was given ${written > length ? "more" : String(written)}`,
        );
      }
    }
    await writer.end(layout.size);
  } finally {
    await handle.close();
  }
}

/** Pieces below this many bytes are written at once: to hand one to another thread takes longer than to write it. */
const SMALL = 1 << 18;

/** Writes one piece while the next is made. */
class Writer {
  readonly #file: string;
  readonly #handle: FileHandle;
  #pending: Promise<void> = Promise.resolve();

  constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  /** Begins to write a piece, which must not change any more, when the one before is written. */
  async begin(bytes: Uint8Array, position: number): Promise<void> {
    await this.#pending;
    if (isZero(bytes)) return;
    this.#pending = this.#write(bytes, position);
    // Whoever waits for it next learns of its failure; until then nobody does, which Node would take for a mistake.
    this.#pending.catch(() => undefined);
  }

  /** Waits for the last piece, and gives the file its size: what ends in a hole is shorter until then. */
  async end(size: number): Promise<void> {
    await this.#pending;
    await writing(this.#file, () => this.#handle.truncate(size));
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const length = bytes.length - done;
      done += await writing(this.#file, async () =>
        length < SMALL
          ? writeSync(this.#handle.fd, bytes, done, length, position + done)
          : (await this.#handle.write(bytes, done, length, position + done)).bytesWritten,
      );
    }
  }
}

/** Whether all bytes are zero. */
function isZero(bytes: Uint8Array): boolean {
  // Compared with themselves moved by one: a comparison of memory, which ends at the first byte that differs.
  return bytes[0] === 0 && Buffer.compare(bytes.subarray(1), bytes.subarray(0, -1)) === 0;
}

function pieces(source: TensorSource): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  return source instanceof Uint8Array ? [source] : source;
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
