import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emitModel } from "../dist/compiler/onnx/emit.js";
import { writePieces } from "../dist/compiler/onnx/output.js";
import { parseModel } from "../dist/compiler/text/parse.js";
import { llamaGraph, WEIGHT_FILE } from "./llama.mjs";

/** A temporary folder for one model's files, which is gone after `use`. */
export async function withFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), "tfc-bench-"));
  // A benchmark that is interrupted leaves nothing behind either.
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    return await use(folder);
  } finally {
    remove();
    process.removeListener("exit", remove);
  }
}

/**
 * Writes a model: its graph, and weights of their true size that take no room, being a hole from end to end.
 *
 * @returns the graph's file and sizes, and `clean`, which removes all files that came later
 */
export function writeModel(folder, llama, options) {
  mkdirSync(folder, { recursive: true });
  const { text, weightBytes } = llamaGraph(llama, options);
  const graph = join(folder, "model.onnx");
  const model = parseModel(text, { file: "model.onnx" });
  const { pieces, size } = emitModel(model);
  writePieces(graph, pieces);
  const weights = join(folder, WEIGHT_FILE);
  writeFileSync(weights, "");
  truncateSync(weights, weightBytes);
  if (statSync(weights).blocks * 512 > weightBytes / 2) {
    throw new Error(`the file system of ${tmpdir()} has no sparse files: set TMPDIR to one that has`);
  }
  const own = new Set(readdirSync(folder));
  const clean = () => {
    for (const name of readdirSync(folder))
      if (!own.has(name)) rmSync(join(folder, name), { recursive: true });
  };
  return { graph, weights, graphBytes: size, weightBytes, nodes: model.graph.size, clean };
}

/**
 * Whether `act` read anything of a file, by whatever means: the file system notes the time of the last access, if not
 * on every read then on the first after a change.
 *
 * @returns null where it does not
 */
export function reads(file, act) {
  const long_ago = new Date("2000-01-01");
  const wasRead = (how) => {
    utimesSync(file, long_ago, new Date());
    how();
    return statSync(file).atimeMs !== long_ago.getTime();
  };
  const seen = wasRead(act);
  return wasRead(() => readByte(file)) ? seen : null;
}

function readByte(file) {
  const fd = openSync(file, "r");
  readSync(fd, Buffer.alloc(1), 0, 1, 0);
  closeSync(fd);
}
