import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { adapterFile, compile } from "../../dist/compiler/compile/compile.js";
import { emitModel } from "../../dist/compiler/onnx/emit.js";
import { writePieces } from "../../dist/compiler/onnx/output.js";
import { parseModel } from "../../dist/compiler/text/parse.js";
import { fillSafetensors } from "../../bench/adapters-weights.mjs";
import { llamaGraph, WEIGHT_FILE } from "../../bench/llama.mjs";

/** Of weights; norms lie around 1 by as much. */
const DEVIATION = 0.02;

/** Writes a model in ONNX's textual syntax as a file. */
export function writeText(file, text) {
  writePieces(file, emitModel(parseModel(text)).pieces);
}

/**
 * Writes a decoder as torch's exporter does, with random weights of its type.
 *
 * @param {import("../../bench/llama.mjs").Llama} llama
 * @returns the file
 */
export function writeDecoder(folder, llama, seed) {
  const file = join(folder, "model.onnx");
  const { text, weightBytes } = llamaGraph(llama, { notes: false });
  const model = parseModel(text, { file: "model.onnx" });
  writePieces(file, emitModel(model).pieces);
  const weights = join(folder, WEIGHT_FILE);
  writeFileSync(weights, "");
  truncateSync(weights, weightBytes);
  const size = llama.dtype === "float16" ? 2 : 4;
  const [matrix, norm] = [0, 1].map((mean) => pool(mean, llama.dtype, seed + mean));
  const fd = openSync(weights, "r+");
  let offset = 0;
  for (const { constant } of model.graph.initializers) {
    if (constant?.storage.kind !== "external") continue;
    const bytes = constant.size * size;
    fill(fd, offset, bytes, constant.shape.length === 1 ? norm : matrix, offset / size);
    offset += bytes;
  }
  closeSync(fd);
  return file;
}

/** Fills bytes of a file with a pool's, which repeats from a place that depends on where it is. */
function fill(fd, offset, bytes, numbers, from) {
  const width = numbers.BYTES_PER_ELEMENT;
  for (let done = 0; done < bytes;) {
    // A prime keeps equal tensors from beginning alike.
    const start = ((from + done / width) * 7919) % numbers.length;
    const piece = numbers.subarray(start, start + (bytes - done) / width);
    writeSync(
      fd,
      new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength),
      0,
      piece.byteLength,
      offset + done,
    );
    done += piece.byteLength;
  }
}

const POOL = 1 << 22;

/** Normal numbers around a mean, the same for one seed. */
function pool(mean, dtype, seed) {
  const next = uniform(seed);
  const numbers = new Float32Array(POOL);
  for (let i = 0; i < POOL; i += 2) {
    const radius = DEVIATION * Math.sqrt(-2 * Math.log(next()));
    const angle = 2 * Math.PI * next();
    numbers[i] = mean + radius * Math.cos(angle);
    numbers[i + 1] = mean + radius * Math.sin(angle);
  }
  return dtype === "float16" ? Uint16Array.from(numbers, half) : numbers;
}

/** Numbers in (0, 1], by Marsaglia's xorshift. */
function uniform(seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / 2 ** 32;
  };
}

const word = new DataView(new ArrayBuffer(4));

/** A float16's bits, of a number that is none of its smallest or largest; cut, not rounded. */
function half(number) {
  word.setFloat32(0, number);
  const bits = word.getUint32(0);
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (exponent <= 0) return (bits >>> 16) & 0x8000;
  return ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

/** An adapter in a file of its own, of numbers that are not zero. */
export async function writeAdapter(base, folder, name, adapter) {
  const output = join(folder, `${name}.onnx`);
  await compile({ input: base, output, weights: "link", ...adapter });
  const file = adapterFile(output);
  fillSafetensors(file, DEVIATION);
  return file;
}

/**
 * Compiles graphs of one base, in its folder.
 *
 * @param prefix of their files' names, for these alone
 * @param graphs `{ name, options, … }`
 * @returns the same with `file`, or with `missing`: why there is none
 */
export async function compileAll(base, folder, prefix, graphs) {
  const made = [];
  for (const [i, { options, ...graph }] of graphs.entries()) {
    if (options === undefined) {
      made.push({ ...graph, file: base });
      continue;
    }
    const output = join(folder, `${prefix}-${i}.onnx`);
    try {
      await compile({ input: base, output, ...options });
      const weights = options.residence === "inputs" ? adapterFile(output) : undefined;
      made.push({ ...graph, file: output, weights });
    } catch (error) {
      made.push({ ...graph, missing: error.message.split("\n")[0] });
    }
  }
  return made;
}
