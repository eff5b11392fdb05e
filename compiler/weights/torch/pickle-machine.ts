import { inputError, type TfcError } from "../../diagnostics/error.ts";
import type { Call, Pickled } from "./pickled.ts";

/** Opcodes in one pickle: a tensor takes about 25. */
const OPCODE_LIMIT = 10_000_000;
/** Lists, tuples, dicts and tensors in one pickle. */
const OBJECT_LIMIT = 2_000_000;
/** Bytes of a module's or class's name. */
const NAME_LIMIT = 512;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The state of a pickle that is being read: where it stands, the stack and the memo. Nothing here takes more memory
 * than the opcodes read so far can pay for: lengths are compared with the bytes that are left, and opcodes counted.
 */
export class PickleMachine implements Call {
  readonly #file: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  /** where the opcode began that is being carried out */
  #opcode = 0;
  #opcodes = 0;
  #objects = 0;
  #made = 0;
  readonly #stack: Pickled[] = [];
  readonly #marks: number[] = [];
  readonly #memo: Pickled[] = [];

  constructor(file: string, bytes: Uint8Array) {
    this.#file = file;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  // ---- complaints

  get #place(): { file: string; path: string } {
    return { file: this.#file, path: `byte ${this.#opcode} of data.pkl` };
  }

  invalid(why: string, cause?: unknown): TfcError {
    return inputError("TORCH_INVALID", this.#place, { why }, cause);
  }

  forbidden(what: string): TfcError {
    return inputError("TORCH_FORBIDDEN", this.#place, { what });
  }

  unsupported(what: string): TfcError {
    return inputError("TORCH_UNSUPPORTED", this.#place, { what });
  }

  spend(bytes: number): void {
    this.#made += bytes;
    // Each text that is honestly turned into bytes is at least as long in the pickle.
    if (this.#made > this.#bytes.length) throw this.invalid("more bytes made of text than the pickle has");
  }

  /** Counts a list, dict, tuple or tensor. */
  object<T>(value: T): T {
    if (++this.#objects > OBJECT_LIMIT) throw this.unsupported(`more than ${OBJECT_LIMIT} objects`);
    return value;
  }

  // ---- bytes

  nextOpcode(): number {
    this.#opcode = this.#at;
    if (++this.#opcodes > OPCODE_LIMIT) throw this.unsupported(`more than ${OPCODE_LIMIT} opcodes`);
    return this.byte();
  }

  /** Moves on by so many bytes, which must be there, and gives where they begin. */
  #skip(length: number): number {
    const left = this.#bytes.length - this.#at;
    if (length > left) throw this.invalid(`${length} bytes announced where ${left} are left`);
    const start = this.#at;
    this.#at += length;
    return start;
  }

  byte(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }

  /** A length of eight bytes; one beyond all files is as wrong as any that is too large. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  /** The one number that a pickle has big-endian. */
  double(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  /** An integer in two's complement, little-endian. */
  long(length: number): bigint {
    const digits = this.#bytes.slice(this.#skip(length), this.#at).reverse();
    const hex = Buffer.from(digits.buffer).toString("hex");
    return length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
  }

  /** Announces a frame, which means nothing where all is in memory. */
  checkLeft(length: number): void {
    const left = this.#bytes.length - this.#at;
    if (length > left) throw this.invalid(`a frame of ${length} bytes where ${left} are left`);
  }

  bytes(length: number): Uint8Array {
    return this.#bytes.slice(this.#skip(length), this.#at);
  }

  text(length: number): string {
    const start = this.#skip(length);
    try {
      return utf8.decode(this.#bytes.subarray(start, this.#at));
    } catch (cause) {
      throw this.invalid("text that is not UTF-8", cause);
    }
  }

  /** A name that ends with a line break. */
  line(): string {
    const end = this.#bytes.subarray(this.#at, this.#at + NAME_LIMIT).indexOf(0x0a);
    if (end < 0) throw this.invalid(`a name without an end, or of more than ${NAME_LIMIT} bytes`);
    const name = this.text(end);
    this.#skip(1);
    return name;
  }

  // ---- stack

  push(value: Pickled): void {
    this.#stack.push(value);
  }

  /** What an opcode may take lies above the last mark. */
  pop(): Pickled {
    const value = this.#stack.length > (this.#marks.at(-1) ?? 0) ? this.#stack.pop() : undefined;
    if (value === undefined) throw this.invalid("an opcode that takes a value from an empty stack");
    return value;
  }

  top(): Pickled {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** The values above the last mark, which is taken away with them. */
  popToMark(): Pickled[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.invalid("an opcode that takes values back to a mark, and no mark");
    return this.#stack.splice(mark);
  }

  /** The value that is left in the end. */
  result(): Pickled {
    if (this.#stack.length !== 1 || this.#marks.length > 0) {
      throw this.invalid(`an end with ${this.#stack.length} values on the stack, not one`);
    }
    return this.pop();
  }

  // ---- memo

  /** Notes the topmost value. Python counts what it notes, so that there are no gaps. */
  remember(index = this.#memo.length): void {
    if (index > this.#memo.length)
      throw this.invalid(`value ${index} noted before value ${this.#memo.length}`);
    this.#memo[index] = this.top();
  }

  recall(index: number): Pickled {
    const value = this.#memo[index];
    if (value === undefined) throw this.invalid(`a reference to value ${index}, which was never noted`);
    return value;
  }
}
