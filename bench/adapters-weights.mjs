import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, writeSync } from "node:fs";

/**
 * Writes normal numbers into a file, float32. They are drawn once and repeat in pieces, each from another place on.
 *
 * @param {{ offset?: number, count: number, mean?: number, deviation: number }} what `offset` is in bytes
 */
export function writeNormal(file, { offset = 0, count, mean = 0, deviation }) {
  const numbers = Float32Array.from(normalNumbers(), (number) => mean + number * deviation);
  const fd = openSync(file, "r+");
  for (let done = 0; done < count; ) {
    const from = Math.floor(Math.random() * numbers.length);
    const { buffer, byteOffset, byteLength, length } = numbers.subarray(from, from + count - done);
    writeSync(fd, new Uint8Array(buffer, byteOffset, byteLength), 0, byteLength, offset + done * 4);
    done += length;
  }
  closeSync(fd);
}

let made;

/** Four million of them, by Box and Muller. */
function normalNumbers() {
  if (made !== undefined) return made;
  const words = new Uint32Array(randomBytes(1 << 24).buffer);
  made = new Float32Array(words.length);
  for (let i = 0; i < words.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((words[i] + 1) / (2 ** 32 + 1)));
    const angle = (2 * Math.PI * words[i + 1]) / 2 ** 32;
    made[i] = radius * Math.cos(angle);
    made[i + 1] = radius * Math.sin(angle);
  }
  return made;
}

/** Puts normal numbers in place of all that a safetensors file of float32 holds. */
export function fillSafetensors(file, deviation) {
  const fd = openSync(file, "r");
  const length = Buffer.alloc(8);
  readSync(fd, length, 0, 8, 0);
  const header = Buffer.alloc(Number(length.readBigUInt64LE()));
  readSync(fd, header, 0, header.length, 8);
  closeSync(fd);
  const tensors = Object.entries(JSON.parse(header.toString())).filter(([name]) => name !== "__metadata__");
  for (const [, { data_offsets: [from, to] }] of tensors) {
    writeNormal(file, { offset: 8 + header.length + from, count: (to - from) / 4, deviation });
  }
}

/** A tensor of normal numbers, as tfc's runtime takes it. */
export function normalTensor(dims, deviation = 1) {
  const numbers = normalNumbers();
  const count = dims.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: count }, (_, i) => numbers[i % numbers.length] * deviation);
  return { dtype: "float", dims, data };
}
