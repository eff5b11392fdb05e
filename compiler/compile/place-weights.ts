import { realpathSync, statSync, type Stats } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { inputError } from "../diagnostics/error.ts";
import type { Sink } from "../diagnostics/sink.ts";
import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { ByteRange, Tensor } from "../ir/tensor.ts";
import type { Value } from "../ir/value.ts";
import { nodesDeep } from "../ir/walk.ts";
import { isInside } from "../onnx/external.ts";
import type { OutputFiles, Progress } from "../onnx/output.ts";

/**
 * Where the base model's weights are for the emitted graph.
 *
 * - `link`: nothing is copied. An output in the base's folder refers to the weights where they lie, also inside the
 *   base .onnx file; one in another folder gets hard links of the files, in a folder of its own beside it.
 * - `copy`: external files are copied to a folder beside the output, inline weights into the output.
 * - `inline`: all weights are written into the output.
 *
 * Without a mode it is `link` in the base's folder and `copy` elsewhere: the onnx Python package refuses external
 * data with two hard links since 1.21, and would refuse the base along with the output.
 */
export const weightModes = ["link", "copy", "inline"] as const;
export type WeightMode = (typeof weightModes)[number];

/** Inline tensors below this size are written again: a reference costs as much as they do. */
const WORTH_LINKING = 4096;

export interface Placement {
  readonly mode?: WeightMode;
  /** The base model's file. */
  readonly base: string;
  /** The file to be emitted. */
  readonly output: string;
  readonly files: OutputFiles;
  readonly sink: Sink;
  readonly progress?: Progress;
}

/**
 * Gives every base weight its place for the emitted file, and stages the links or copies that this needs.
 *
 * @throws TfcError OUTPUT_IS_INPUT, FILE_NOT_WRITABLE
 */
export async function placeWeights(model: Model, rw: Rewriter, placement: Placement): Promise<void> {
  const needed = new Map<string, string>();
  const baseFolder = dirname(resolve(placement.base));
  const outputFolder = dirname(resolve(placement.output));
  const isSameFolder = sameFile(outputFolder, baseFolder);
  const mode = placement.mode ?? (isSameFolder ? "link" : "copy");
  const side = `${basename(placement.output, ".onnx")}.base`;
  const locationOf = (file: string): string => {
    const location = relative(baseFolder, file);
    if (mode === "link" && isSameFolder && staysInside(outputFolder, file)) return location;
    const beside = `${side}/${location}`;
    needed.set(file, join(outputFolder, beside));
    return beside;
  };
  // A file holds many tensors, and to find its place asks the file system.
  const locations = new Map<string, string>();
  const refer = (file: string): string => {
    const location = locations.get(file) ?? locationOf(file);
    locations.set(file, location);
    return location;
  };
  for (const value of initializersDeep(model.graph)) {
    const tensor = value.constant;
    const range = tensor?.at;
    if (tensor === undefined || !range) continue;
    const placed = placeTensor(tensor, range, mode, refer);
    if (placed !== null) rw.setConstant(value, placed);
  }
  for (const node of allNodes(model)) placeAttributes(node, rw, mode, refer);
  for (const [from, to] of needed) {
    // A base in a folder named like the one its weights would go to.
    if (sameFile(from, to)) throw inputError("OUTPUT_IS_INPUT", { file: placement.base }, { file: to });
    if (mode === "link") await placement.files.link(from, to, placement.progress);
    else await placement.files.copy(from, to, placement.progress);
  }
  if (mode === "link" && needed.size > 0) {
    placement.sink.report("WEIGHTS_HARD_LINKED", { file: placement.output }, { files: [...needed.keys()] });
  }
}

/** Attributes may refer to external data too; inline ones are small, and stay as they are. */
function placeAttributes(node: Node, rw: Rewriter, mode: WeightMode, refer: (file: string) => string): void {
  const place = (tensor: Tensor): Tensor => {
    const { at, storage } = tensor;
    if (storage.kind !== "external" || at === null) return tensor;
    return placeTensor(tensor, at, mode, refer) ?? tensor;
  };
  for (const [name, attr] of node.attributes) {
    if (attr.kind === "tensor" && attr.value.storage.kind === "external") {
      rw.setAttribute(node, name, { kind: "tensor", value: place(attr.value) });
    } else if (attr.kind === "tensors" && attr.value.some(({ storage }) => storage.kind === "external")) {
      rw.setAttribute(node, name, { kind: "tensors", value: attr.value.map(place) });
    }
  }
}

/** Whether a file lies in a folder also when symbolic links are followed, as runtimes do before they read it. */
function staysInside(folder: string, file: string): boolean {
  return isInside(realpathSync(folder), realpathSync(file));
}

/**
 * @param refer says how the emitted graph refers to a file: by its location in the base's folder, or beside the output
 * @returns null where the tensor stays as it is
 */
function placeTensor(
  tensor: Tensor,
  range: ByteRange,
  mode: WeightMode,
  refer: (file: string) => string,
): Tensor | null {
  const { storage } = tensor;
  if (mode === "inline") return storage.kind === "external" ? tensor.stored({ kind: "inline", range }) : null;
  // Inline bytes are referred to in the base file itself; a copy writes them into the new file instead.
  if (storage.kind !== "external" && (mode === "copy" || range.length < WORTH_LINKING)) return null;
  return tensor.stored({ kind: "external", location: refer(range.file), range });
}

/** The initializers of a graph and of the graphs inside it. */
function* initializersDeep(graph: Graph): Generator<Value, void, void> {
  yield* graph.initializers;
  for (const node of nodesDeep(graph)) for (const inner of node.subgraphs) yield* inner.initializers;
}

function* allNodes(model: Model): Generator<Node, void, void> {
  yield* nodesDeep(model.graph);
  for (const func of model.functions.values()) yield* nodesDeep(func.body);
}

/** Every tensor of a model: initializers, and attributes also inside functions. */
function* tensorsOf(model: Model): Generator<Tensor, void, void> {
  for (const { constant } of initializersDeep(model.graph)) if (constant !== undefined) yield constant;
  for (const node of allNodes(model)) {
    for (const attr of node.attributes.values()) {
      if (attr.kind === "tensor") yield attr.value;
      if (attr.kind === "tensors") yield* attr.value;
    }
  }
}

/** The files a model's weights are in, the model's own among them when some are inline. */
export function weightFiles(model: Model): ReadonlySet<string> {
  return new Set([...tensorsOf(model)].flatMap(({ at }) => (at === null ? [] : [at.file])));
}

/** Whether two paths name one file or folder, also by different names. */
export function sameFile(a: string, b: string): boolean {
  if (resolve(a) === resolve(b)) return true;
  const [x, y] = [statOf(a), statOf(b)];
  return x !== null && x.dev === y?.dev && x.ino === y.ino;
}

/** null for a path that leads nowhere, also where a part of it is a file. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
