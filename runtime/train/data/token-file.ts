import { createHash } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import { readBytes } from "../../../compiler/weights/open-file.ts";
import { Growing } from "./growing.ts";
import { isLearned } from "./marked.ts";
import type { DataPlace } from "./row.ts";

/** Tokens that are kept back before they are written. */
const WINDOW = 1 << 16;
/** Behind all tokens. */
const NEVER = 2 ** 32 - 1;

/**
 * Examples as marked tokens, in a file of their own: data may be larger than the memory, and each epoch reads them in
 * another order. Of each example there are 16 bytes in memory.
 */
export class TokenFile {
  readonly #file: string;
  readonly #fd: number;
  readonly #hash = createHash("sha256");
  readonly #window = new Int32Array(WINDOW);
  #kept = 0;
  /** Where each example begins, and the last one ends, in tokens. */
  readonly #starts = new Growing(Float64Array);
  readonly #lines = new Growing(Uint32Array);
  /** The first token of each example that is learned, where something stands before it. */
  readonly #learned = new Growing(Uint32Array);
  readonly #files: { readonly file: string; readonly from: number }[] = [];
  #total = 0;

  /** @throws TfcError FILE_NOT_WRITABLE */
  constructor(file: string) {
    this.#file = file;
    this.#fd = writing(file, () => openSync(file, "w+"));
    this.#starts.push(0);
  }

  /** How many examples there are. */
  get count(): number {
    return this.#lines.length;
  }

  /** Tokens of all examples. */
  get total(): number {
    return this.#total;
  }

  /** @throws TfcError FILE_NOT_WRITABLE */
  add(tokens: Int32Array, { file, line }: DataPlace): void {
    if (this.#files.at(-1)?.file !== file) this.#files.push({ file, from: this.count });
    this.#lines.push(line);
    const learned = tokens.findIndex((token, i) => i > 0 && isLearned(token));
    this.#learned.push(learned < 0 ? NEVER : learned);
    this.#starts.push((this.#total += tokens.length));
    for (let at = 0; at < tokens.length;) {
      const part = tokens.subarray(at, at + WINDOW - this.#kept);
      this.#window.set(part, this.#kept);
      this.#kept += part.length;
      at += part.length;
      if (this.#kept === WINDOW) this.#write();
    }
  }

  /** Writes what was kept back. @returns a digest of all tokens in their order, and of where examples end */
  finish(): string {
    this.#write();
    return this.#hash.update(this.#starts.bytes()).digest("hex");
  }

  /** Tokens of an example. */
  length(example: number): number {
    return this.#starts.at(example + 1) - this.#starts.at(example);
  }

  /** Tokens of an example, all or from one on. Written ones: {@link finish} was called. */
  tokens(example: number, from = 0, to = this.length(example)): Int32Array {
    const start = (this.#starts.at(example) + from) * 4;
    return new Int32Array(readBytes(this.#fd, start, (to - from) * 4).buffer);
  }

  /** Whether something is learned of an example's first tokens. The very first has nothing that it could follow from. */
  isLearnedWithin(example: number, length: number): boolean {
    return this.#learned.at(example) < length;
  }

  /** Where an example stands in the data. */
  place(example: number): DataPlace {
    const file = this.#files.findLast(({ from }) => from <= example)?.file ?? "";
    return { file, line: this.#lines.at(example) };
  }

  /** Removes the file. */
  close(): void {
    closeSync(this.#fd);
    rmSync(this.#file, { force: true });
  }

  #write(): void {
    const bytes = new Uint8Array(this.#window.buffer, 0, this.#kept * 4);
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length;)
      at += writing(this.#file, () => writeSync(this.#fd, bytes, at, bytes.length - at));
    this.#kept = 0;
  }
}

function writing<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw inputError("FILE_NOT_WRITABLE", { file }, { file, why }, cause);
  }
}
