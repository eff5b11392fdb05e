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
import { packedFiles, type PackedFile } from "./packed-weights.ts";
import type { SharedFile, SharedWeights } from "./shared-weights.ts";

/** The words for {@link WeightMode}. */
export const weightModes = ["link", "copy", "inline"] as const;
/** Those of several graphs that share one base's weights: written into each, these would be there several times. */
export const sharedWeightModes = ["link", "copy"] as const;
/**
 * Where the base model's weights are for the emitted graph.
 *
 * - `link`: nothing is copied. An output in the base's folder refers to the weights where they lie, also inside the
 *   base .onnx file; one in another folder gets hard links of the files, in a folder of its own beside it.
 * - `copy`: external files are copied to a folder beside the output, of those that the output reads less than half of
 *   only that; inline weights go into the output.
 * - `inline`: all weights are written into the output.
 *
 * Without a mode it is `link` in the base's folder and `copy` elsewhere: the onnx Python package refuses external
 * data with two hard links since 1.21, and would refuse the base along with the output. Files that are links out of the
 * base's folder, as in the cache of Hugging Face, are copied as well.
 */
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
  /** What outputs before this one have put into the same folder, and this one puts there. */
  readonly shared?: SharedWeights;
}

/**
 * Gives every base weight its place for the emitted file, and stages the links or copies that this needs.
 *
 * @returns what there is to say of links where the disk is too full for bytes of the base, beside the graph or in it
 * @throws TfcError OUTPUT_IS_INPUT, FILE_NOT_WRITABLE
 */
export async function placeWeights(model: Model, rw: Rewriter, placement: Placement): Promise<string | null> {
  const needed = new Map<string, string>();
  const baseFolder = dirname(resolve(placement.base));
  const outputFolder = dirname(resolve(placement.output));
  const isSameFolder = sameFile(outputFolder, baseFolder);
  const isHere = (file: string): boolean => isSameFolder && staysInside(outputFolder, file);
  const modeOf = (file: string): WeightMode => placement.mode ?? (isHere(file) ? "link" : "copy");
  const side = basename(baseFolderOf(placement.output));
  // A file holds many tensors, and to find its place asks the file system.
  const knownMode = remembered(modeOf);
  const asked = packedFiles(tensorsOf(model), (file) => knownMode(file) === "copy");
  const there = (file: string): SharedFile | null => placement.shared?.fileOf(file, asked.get(file)) ?? null;
  const locationOf = (file: string): string => {
    const location = relative(baseFolder, file);
    if (modeOf(file) === "link" && isHere(file)) return location;
    const shared = there(file);
    if (shared !== null) return relative(outputFolder, shared.path);
    const beside = `${side}/${location}`;
    needed.set(file, join(outputFolder, beside));
    return beside;
  };
  const place: Refer = {
    modeOf: knownMode,
    location: remembered(locationOf),
    packedOf: remembered((file) => {
      const shared = there(file);
      return shared === null ? (asked.get(file) ?? null) : shared.packed;
    }),
  };
  const written = firstLarge(model, (file) => knownMode(file) !== "link" || !isHere(file));
  for (const value of initializersDeep(model.graph)) {
    const tensor = value.constant;
    const range = tensor?.at;
    if (tensor === undefined || !range) continue;
    const placed = placeTensor(tensor, range, place);
    if (placed !== null) rw.setConstant(value, placed);
  }
  for (const node of allNodes(model)) placeAttributes(node, rw, place);
  const advice = written === undefined ? null : adviceOfLinks(written.file, placement.output, placement.mode);
  if (advice !== null && needed.size > 0) placement.files.adviseOfSpace(advice);
  await stage(needed, asked, placement);
  for (const [from, path] of needed)
    placement.shared?.addFile(from, { path, packed: asked.get(from) ?? null });
  return advice;
}

/** The folder that a base's weights are linked or copied to: `out/model.onnx` → `out/model.base` */
export function baseFolderOf(output: string): string {
  return join(dirname(output), `${basename(output, ".onnx")}.base`);
}

/** The files of external data that a model refers to, as its file in this folder finds them. */
export function filesReadIn(folder: string, model: Model): ReadonlySet<string> {
  const locations = new Set<string>();
  for (const { storage } of tensorsOf(model))
    if (storage.kind === "external") locations.add(storage.location);
  return new Set([...locations].map((location) => resolve(folder, location)));
}

/** The first tensor that is worth a link and lies in such a file. */
function firstLarge(model: Model, isSuch: (file: string) => boolean): ByteRange | undefined {
  for (const { at } of tensorsOf(model))
    if (at !== null && at.length >= WORTH_LINKING && isSuch(at.file)) return at;
  return undefined;
}

/**
 * What there is to say of links where the disk is too full for bytes of a base's file; null where links do not help.
 *
 * @param output the file that the bytes are to lie beside, or in; its folder is there
 */
export function adviceOfLinks(from: string, output: string, mode: WeightMode | undefined): string | null {
  const hasLinks = statOf(from)?.dev === statOf(dirname(resolve(output)))?.dev;
  if (!hasLinks) return "on the base's own disk `weights: link` copies no weights";
  return mode === "link" ? null : "`weights: link` copies none of the base's weights here";
}

/** How the emitted graph gets the bytes of a file. */
interface Refer {
  readonly modeOf: (file: string) => WeightMode;
  /** Its location in the base's folder, or beside the output. */
  readonly location: (file: string) => string;
  /** What is copied of a file of which not all is. */
  readonly packedOf: (file: string) => PackedFile | null;
}

function remembered<T>(ask: (file: string) => T): (file: string) => T {
  const known = new Map<string, T>();
  return (file) => {
    const found = known.get(file);
    const answer = found === undefined ? ask(file) : found;
    known.set(file, answer);
    return answer;
  };
}

/** Links or copies what is to lie beside the output: paths to be, by the files they come from. */
async function stage(
  needed: ReadonlyMap<string, string>,
  packed: ReadonlyMap<string, PackedFile>,
  { mode, base, output, files, sink, progress }: Placement,
): Promise<void> {
  for (const [from, to] of needed) {
    // A base in a folder named like the one its weights would go to.
    if (sameEntry(from, to)) throw inputError("OUTPUT_IS_INPUT", { file: base }, { file: to });
  }
  for (const [from, to] of needed) {
    const parts = packed.get(from);
    if (parts === undefined) continue;
    files.prepare(to, parts.size);
    await files.stage(to, (temporary) =>
      files.write(temporary, parts.pieces, (done) => progress?.(to, done, parts.size)),
    );
  }
  if (mode !== "link") {
    const whole = [...needed].filter(([from]) => !packed.has(from));
    return files.copy(whole, progress);
  }
  const how = new Map<string, "link" | "copy">();
  for (const [from, to] of needed) how.set(from, await files.link(from, to, progress));
  const [linked, copied] = (["link", "copy"] as const).map((one) =>
    [...needed.keys()].filter((file) => how.get(file) === one),
  );
  const place = { file: output };
  if (linked !== undefined && linked.length > 0) sink.report("WEIGHTS_HARD_LINKED", place, { files: linked });
  if (copied !== undefined && copied.length > 0) sink.report("WEIGHTS_NOT_LINKED", place, { files: copied });
}

/** Attributes may refer to external data too; inline ones are small, and stay as they are. */
function placeAttributes(node: Node, rw: Rewriter, refer: Refer): void {
  eachExternalAttribute(node, rw, (tensor) =>
    tensor.at === null ? null : placeTensor(tensor, tensor.at, refer),
  );
}

/** Replaces external tensors in a node's attributes; null leaves one as it is. */
function eachExternalAttribute(node: Node, rw: Rewriter, change: (tensor: Tensor) => Tensor | null): void {
  const changed = (tensor: Tensor): Tensor =>
    tensor.storage.kind === "external" ? (change(tensor) ?? tensor) : tensor;
  for (const [name, attr] of node.attributes) {
    if (attr.kind === "tensor" && attr.value.storage.kind === "external") {
      rw.setAttribute(node, name, { kind: "tensor", value: changed(attr.value) });
    } else if (attr.kind === "tensors" && attr.value.some(({ storage }) => storage.kind === "external")) {
      rw.setAttribute(node, name, { kind: "tensors", value: attr.value.map(changed) });
    }
  }
}

/** Has a model refer to external data under other locations: new ones, by those it uses now. */
export function relocate(model: Model, rw: Rewriter, locations: ReadonlyMap<string, string>): void {
  const moved = (tensor: Tensor): Tensor | null => {
    const { storage } = tensor;
    const location = storage.kind === "external" ? locations.get(storage.location) : undefined;
    if (storage.kind !== "external" || location === undefined) return null;
    return tensor.stored({ ...storage, location });
  };
  for (const value of initializersDeep(model.graph)) {
    const tensor = value.constant === undefined ? null : moved(value.constant);
    if (tensor !== null) rw.setConstant(value, tensor);
  }
  for (const node of allNodes(model)) eachExternalAttribute(node, rw, moved);
}

/** Whether a file lies in a folder also when symbolic links are followed, as runtimes do before they read it. */
function staysInside(folder: string, file: string): boolean {
  return isInside(realpathSync(folder), realpathSync(file));
}

/** @returns null where the tensor stays as it is */
function placeTensor(tensor: Tensor, range: ByteRange, refer: Refer): Tensor | null {
  const { storage } = tensor;
  const mode = refer.modeOf(range.file);
  if (mode === "inline") return storage.kind === "external" ? tensor.stored({ kind: "inline", range }) : null;
  // Inline bytes are referred to in the base file itself; a copy writes them into the new file instead.
  if (storage.kind !== "external" && (mode === "copy" || range.length < WORTH_LINKING)) return null;
  const offset = refer.packedOf(range.file)?.offsetOf(range) ?? range.offset;
  return tensor.stored({
    kind: "external",
    location: refer.location(range.file),
    range: { ...range, offset },
  });
}

/** The initializers of a graph and of the graphs inside it. */
function* initializersDeep(graph: Graph): Generator<Value, void, void> {
  yield* graph.initializers;
  for (const node of nodesDeep(graph)) for (const inner of node.subgraphs) yield* inner.initializers;
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

function* allNodes(model: Model): Generator<Node, void, void> {
  yield* nodesDeep(model.graph);
  for (const func of model.functions.values()) yield* nodesDeep(func.body);
}

/** Whether two paths name one file or folder, also by different names. */
export function sameFile(a: string, b: string): boolean {
  if (resolve(a) === resolve(b)) return true;
  const [x, y] = [statOf(a), statOf(b)];
  return x !== null && x.dev === y?.dev && x.ino === y.ino;
}

/**
 * Whether to put a file at one path would take the other away. Outputs are renamed into place, which leaves alone what
 * has the same bytes under a second name: the hard links of an earlier output may be replaced.
 */
function sameEntry(a: string, b: string): boolean {
  if (!sameFile(a, b)) return false;
  if ((statOf(a)?.nlink ?? 1) < 2) return true;
  const [x, y] = [realpathSync(a), realpathSync(b)];
  // A file system that does not tell case apart has one entry for both.
  return sameFile(dirname(x), dirname(y)) && basename(x).toLowerCase() === basename(y).toLowerCase();
}

/** null for a path that leads nowhere, also where a part of it is a file. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
