import protobuf from "protobufjs/minimal.js";

/**
 * protobuf's wire format under the messages of ONNX: the reader and the writer are protobufjs's, and no object stands
 * for a message between them and the IR.
 */
export type Reader = protobuf.Reader;
export type Writer = protobuf.Writer;

/** Wire types, as the low three bits of a field's tag. */
export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

export function readerOf(bytes: Uint8Array): Reader {
  return protobuf.Reader.create(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

export function newWriter(): Writer {
  return protobuf.Writer.create();
}

/** The tag of a field. */
export function tagOf(id: number, wire: number): number {
  return (id << 3) | wire;
}

/** Reads the length of a field of {@link BYTES}. @returns where its content ends */
export function endOf(r: Reader): number {
  const length = r.uint32();
  const end = r.pos + length;
  if (end > r.len) throw new RangeError(`index out of range: ${r.pos} + ${length} > ${r.len}`);
  return end;
}

/** Passes a field by whose tag was read. */
export function skip(r: Reader, tag: number): void {
  r.skipType(tag & 7, 0, tag >>> 3);
}

/** A message must end where its length says. */
export function checkEnd(r: Reader, end: number): void {
  if (r.pos !== end) throw new RangeError(`a message that ends at ${r.pos} and not at ${end}`);
}

/** The bytes of a field of {@link BYTES}, not copied. */
export function bytesOf(r: Reader): Uint8Array {
  const end = endOf(r);
  const bytes = r.buf.subarray(r.pos, end);
  r.pos = end;
  return bytes;
}

/** One 64-bit integer as a JavaScript number; exact up to 2^53, which sizes and versions do not pass. */
export function int64(r: Reader): number {
  const low = r.buf[r.pos] ?? 0;
  if (low < 128 && r.pos < r.len) {
    r.pos++;
    return low;
  }
  return Number(bigint64(r));
}

/** One signed 64-bit integer, exact. */
export function bigint64(r: Reader): bigint {
  return BigInt.asIntN(64, bits64(r));
}

/** The 64 bits of a varint. */
export function bits64(r: Reader): bigint {
  let [low, high] = [0, 0];
  for (let i = 0; i < 10; i++) {
    if (r.pos >= r.len) throw new RangeError(`index out of range: ${r.pos} + 1 > ${r.len}`);
    const byte = r.buf[r.pos++] ?? 0;
    // Seven bits a byte: the first five make the low 35 bits, the rest the others.
    if (i < 5) low += (byte & 127) * 2 ** (7 * i);
    else high += (byte & 127) * 2 ** (7 * (i - 5));
    if (byte < 128) return BigInt.asUintN(64, (BigInt(high) << 35n) + BigInt(low));
  }
  throw new RangeError("a varint of more than ten bytes");
}

/** Visits the numbers of a repeated field, written one by one or packed. */
export function eachNumber(r: Reader, wire: number, visit: () => void): void {
  if (wire !== BYTES) {
    visit();
    return;
  }
  const end = endOf(r);
  while (r.pos < end) visit();
  checkEnd(r, end);
}

/** A field where it stands in a message: its number, and its bytes from its tag on. */
export interface Field {
  readonly id: number;
  readonly wire: number;
  /** Of the tag. */
  readonly start: number;
  /** Of what is behind the tag and, for {@link BYTES}, the length. */
  readonly content: number;
  readonly end: number;
}

/** The fields of a message, in their order. */
export function fieldsIn(message: Uint8Array): readonly Field[] {
  const r = readerOf(message);
  const fields: Field[] = [];
  while (r.pos < r.len) {
    const start = r.pos;
    const tag = r.uint32();
    let content = r.pos;
    if ((tag & 7) === BYTES) {
      const end = endOf(r);
      content = r.pos;
      r.pos = end;
    } else {
      skip(r, tag);
    }
    fields.push({ id: tag >>> 3, wire: tag & 7, start, content, end: r.pos });
  }
  return fields;
}

/** Gathers ranges of a message into bytes; neighbours in one piece. */
export class Ranges {
  readonly #ranges: [number, number][] = [];

  add(start: number, end: number): void {
    const last = this.#ranges.at(-1);
    if (last?.[1] === start) last[1] = end;
    else this.#ranges.push([start, end]);
  }

  bytes(buffer: Uint8Array): Uint8Array {
    const [first] = this.#ranges;
    if (first === undefined) return new Uint8Array(0);
    if (this.#ranges.length === 1) return buffer.subarray(...first);
    return Buffer.concat(this.#ranges.map(([start, end]) => buffer.subarray(start, end)));
  }
}

const encoder = new TextEncoder();

/** Whether some bytes of a message are this text in UTF-8. */
export function isText(message: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start < text.length) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 128) return Buffer.compare(message.subarray(start, end), encoder.encode(text)) === 0;
    if (message[start + i] !== code) return false;
  }
  return end - start === text.length;
}
