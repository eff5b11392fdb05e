import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, writeSync } from "node:fs";

/**
 * Writes normal numbers into a file, float32. They are drawn once and repeat in pieces, each from another place on.
 *
 * @param {{ offset?: number, count: number, mean?: number, deviation: number }} what `offset` is in bytes
 */
export function writeNormal(file, { offset = 0, count, mean = 0, deviation }) {
  const numbers = normalNumbers(mean, deviation);
  const fd = openSync(file, "r+");
  for (let done = 0; done < count;) {
    const from = Math.floor(Math.random() * numbers.length);
    const { buffer, byteOffset, byteLength, length } = numbers.subarray(from, from + count - done);
    writeSync(fd, new Uint8Array(buffer, byteOffset, byteLength), 0, byteLength, offset + done * 4);
    done += length;
  }
  closeSync(fd);
}

const drawn = new Map();

/** Four million of them. */
function normalNumbers(mean, deviation) {
  const key = `${mean} ${deviation}`;
  const numbers = drawn.get(key) ?? draw(1 << 22, mean, deviation);
  drawn.set(key, numbers);
  return numbers;
}

/** By Box and Muller: two random words give two numbers. */
function draw(count, mean, deviation) {
  const words = new Uint32Array(randomBytes(4 * count).buffer);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log((words[i] + 1) / (2 ** 32 + 1)));
    const angle = (2 * Math.PI * words[i + 1]) / 2 ** 32;
    numbers[i] = mean + radius * Math.cos(angle);
    numbers[i + 1] = mean + radius * Math.sin(angle);
  }
  return numbers;
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
  for (const [
    ,
    {
      data_offsets: [from, to],
    },
  ] of tensors) {
    writeNormal(file, { offset: 8 + header.length + from, count: (to - from) / 4, deviation });
  }
}

/** A tensor of normal numbers, as tfc's runtime takes it. */
export function normalTensor(dims) {
  const numbers = normalNumbers(0, 1);
  const count = dims.reduce((a, b) => a * b, 1);
  return {
    dtype: "float",
    dims,
    data: Float32Array.from({ length: count }, (_, i) => numbers[i % numbers.length]),
  };
}
