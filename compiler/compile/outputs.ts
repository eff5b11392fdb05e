import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { mergeDescriptions } from "../adapters/description.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../adapters/kind.ts";
import { inputError } from "../diagnostics/error.ts";
import type { Sink } from "../diagnostics/sink.ts";
import type { Model } from "../ir/model.ts";
import { Rewriter } from "../ir/rewriter.ts";
import type { Tensor } from "../ir/tensor.ts";
import type { Value } from "../ir/value.ts";
import { emitModel } from "../onnx/emit.ts";
import { OutputFiles, type Progress } from "../onnx/output.ts";
import { checkUnchanged, type Stamp } from "../onnx/stamp.ts";
import { baseFolderOf, filesReadIn, placeWeights, relocate, type WeightMode } from "./place-weights.ts";
import { TensorDigest, type SharedWeights } from "./shared-weights.ts";
import { BASE_KEY } from "../weights/fingerprint.ts";
import { checkLeafSize } from "../weights/leaf-size.ts";
import {
  layoutSafetensors,
  writeSafetensors,
  type SafetensorsLayout,
} from "../weights/safetensors/safetensors.ts";

/** The files of a compiled model. */
export interface OutputPaths {
  readonly output: string;
  /** Weights of adapters, and of what stands in place of projections. */
  readonly adapters: string;
  /** Weights that replace some of the base's. */
  readonly overrides: string;
  /** Weights of the base in another type. */
  readonly weights: string;
  /** Quantized weights of the base. */
  readonly quantized: string;
}

/** The files of a compiled model of this name: `out/model.onnx` → `out/model.adapters.safetensors`, … */
export function outputPaths(output: string): OutputPaths {
  const beside = (what: string): string =>
    join(dirname(output), `${basename(output, ".onnx")}.${what}.safetensors`);
  return {
    output,
    adapters: beside("adapters"),
    overrides: beside("overrides"),
    weights: beside("weights"),
    quantized: beside("quantized"),
  };
}

/** What is to be written besides what the model says itself. */
export interface ToWrite {
  /** The base's file. */
  readonly base: string;
  /** The files that were read, as they were. */
  readonly stamps?: ReadonlyMap<string, Stamp>;
  readonly weights?: WeightMode | undefined;
  readonly progress?: Progress | undefined;
  /** What outputs before this one have put into the same folder, and this one puts there. */
  readonly shared?: SharedWeights | undefined;
  /** Files of text beside the graph, by their paths. */
  readonly texts?: ReadonlyMap<string, string>;
}

/**
 * Writes all files of a compiled model, or none. @returns the files written or linked, absolute
 *
 * @throws TfcError FILE_NOT_WRITABLE, OUTPUT_TOO_LARGE, INPUT_CHANGED
 */
export async function writeOutputs(
  model: Model,
  sink: Sink,
  paths: OutputPaths,
  { base, stamps = new Map(), weights, progress, shared, texts = new Map() }: ToWrite,
): Promise<readonly string[]> {
  const files = new OutputFiles(paths.output);
  const rw = new Rewriter();
  try {
    for (const file of [paths.output, paths.adapters, ...texts.keys()]) files.prepare(file);
    const advice = await placeWeights(model, rw, {
      base,
      output: paths.output,
      ...(weights === undefined ? {} : { mode: weights }),
      files,
      sink,
      ...(progress === undefined ? {} : { progress }),
      ...(shared === undefined ? {} : { shared }),
    });
    await stageCompanions(model, rw, files, paths, { weights, progress, shared });
    for (const [file, text] of texts)
      await files.stage(file, (temporary) => {
        writeFileSync(temporary, text);
      });
    // Others that write the same outputs wait from here on: what is there now is what will be replaced.
    await files.lock();
    const emit = async (temporary: string): Promise<void> => {
      const pieces = graphPieces(model, paths.output);
      if (advice !== null) files.adviseOfSpace(advice);
      files.prepare(paths.output, pieces.size);
      await files.write(temporary, pieces.pieces, (done) => progress?.(paths.output, done, pieces.size));
    };
    await inInterim(model, rw, files.interims(), paths.output, () => files.stageInterim(emit));
    await files.stage(paths.output, emit);
    const written = files.files;
    await files.commit(() => {
      checkUnchanged(stamps);
    });
    reportUnread(model, paths, written, sink);
    return written;
  } catch (error) {
    files.discard();
    throw error;
  }
}

/** Lays tensors that the graph does not hold itself out in files beside it. */
async function stageCompanions(
  model: Model,
  rw: Rewriter,
  files: OutputFiles,
  paths: OutputPaths,
  { weights, progress, shared }: Sharing & { readonly weights: WeightMode | undefined },
): Promise<void> {
  const adapters = storedIn(model, "adapters");
  await stageTensors(files, rw, paths.adapters, adapters, adapterMetadata(model), { shared });
  const pytorch = new Map([["format", "pt"]]);
  await stageTensors(files, rw, paths.overrides, storedIn(model, "overrides"), pytorch, { shared });
  const ofBase = { progress, shared };
  if (weights === "inline") holdInline(rw, storedIn(model, "weights"));
  else await stageTensors(files, rw, paths.weights, storedIn(model, "weights"), pytorch, ofBase);
  await stageTensors(files, rw, paths.quantized, storedIn(model, "quantized"), new Map(), ofBase);
}

interface Sharing {
  readonly progress?: Progress | undefined;
  readonly shared?: SharedWeights | undefined;
}

/** Says of companions of an earlier output that this one does not read them. Who knows what else does: they stay. */
function reportUnread(model: Model, paths: OutputPaths, written: readonly string[], sink: Sink): void {
  const { output, adapters, overrides, weights, quantized } = paths;
  const read = new Set([...written, ...filesReadIn(dirname(resolve(output)), model)]);
  const companions = [adapters, overrides, weights, quantized].filter((file) => existsSync(file));
  for (const file of [...companions, ...leftIn(baseFolderOf(output), read)])
    if (!read.has(resolve(file))) sink.report("COMPANION_UNREAD", { file: output }, { file });
}

/** Files of a folder that are not read; the folder itself where none is. */
function leftIn(folder: string, read: ReadonlySet<string>): readonly string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
  const left = files.filter((file) => !read.has(resolve(file)));
  return left.length > 0 && left.length === files.length ? [folder] : left;
}

/** @throws TfcError OUTPUT_TOO_LARGE */
function graphPieces(model: Model, file: string): ReturnType<typeof emitModel> {
  const emitted = emitModel(model);
  if (emitted.size > 2 ** 31 - 1) throw inputError("OUTPUT_TOO_LARGE", { file }, { bytes: emitted.size });
  return emitted;
}

/** Calls `act` while the model refers to companions where they lie until they are in place, if there are any such. */
async function inInterim(
  model: Model,
  rw: Rewriter,
  interims: ReadonlyMap<string, string>,
  output: string,
  act: () => Promise<void>,
): Promise<void> {
  if (interims.size === 0) return;
  const folder = dirname(output);
  const there = new Map(
    [...interims].map((pair) => pair.map((path) => locationIn(folder, path)) as [string, string]),
  );
  const back = new Map([...there].map(([location, interim]) => [interim, location]));
  relocate(model, rw, there);
  await act();
  relocate(model, rw, back);
}

/** A file as external data in a folder refers to it. */
function locationIn(folder: string, file: string): string {
  return relative(folder, file).split(sep).join("/");
}

/** What goes to one of the files beside a model: initializers, and what inputs are first fed with. */
function storedIn({ graph }: Model, file: string): Stored[] {
  const found: Stored[] = [];
  const see = (value: Value, tensor: Tensor | undefined, isRead: boolean): void => {
    // Coefficients, which are no leaves, are in the metadata, with the settings they follow from.
    if (tensor?.storage.kind !== "deferred" || tensor.storage.file !== file) return;
    found.push({ value: isRead ? value : null, name: value.name ?? "", tensor });
  };
  for (const value of graph.initializers) see(value, value.constant, true);
  for (const value of graph.inputs) see(value, value.initial, false);
  return found;
}

function adapterMetadata(model: Model): ReadonlyMap<string, string> {
  const described = mergeDescriptions(model.meta.get(ADAPTER_KEY), model.meta.get(REPLACED_KEY));
  const base = model.meta.get(BASE_KEY);
  return new Map([
    ["format", "pt"],
    [ADAPTER_KEY, described],
    ...(base === undefined ? [] : [[BASE_KEY, base] as const]),
  ]);
}

interface Stored {
  /** What refers to the bytes in the file; null for what no graph refers to. */
  readonly value: Value | null;
  readonly name: string;
  readonly tensor: Tensor;
}

/**
 * Lays tensors out in one safetensors file, and makes the graph refer to the bytes in it: the format is a header
 * followed by raw data, which is what external data asks for, so no second copy is needed.
 */
async function stageTensors(
  files: OutputFiles,
  rw: Rewriter,
  file: string,
  all: readonly Stored[],
  metadata: ReadonlyMap<string, string>,
  { progress, shared }: Sharing = {},
): Promise<void> {
  const stored = shared === undefined ? all : all.filter((one) => !isShared(shared, one, rw, dirname(file)));
  if (stored.length === 0) return;
  if (metadata.has(ADAPTER_KEY)) for (const { name, tensor } of stored) checkLeafSize(name, tensor.shape);
  const layout: SafetensorsLayout = layoutSafetensors(
    stored.map(({ name, tensor }) => ({ name, dtype: tensor.dtype, shape: tensor.shape })),
    metadata,
  );
  const tensors = new Map(stored.map(({ name, tensor }) => [name, tensor]));
  for (const { value, name, tensor } of stored) {
    const place = layout.tensors.get(name);
    if (value === null || place === undefined) continue;
    const range = { file, ...place };
    rw.setConstant(value, tensor.stored({ kind: "external", location: basename(file), range }));
  }
  files.prepare(file, layout.size);
  let done = 0;
  const watched = function* (name: string, tensor: Tensor): Generator<Uint8Array, void, void> {
    const pieces = tensor.pieces();
    const digest = shared === undefined ? null : new TensorDigest(tensor);
    for (const piece of pieces instanceof Uint8Array ? [pieces] : pieces) {
      yield piece;
      digest?.add(piece);
      progress?.(file, (done += piece.length), layout.size);
    }
    const place = layout.tensors.get(name);
    if (digest !== null && place !== undefined) shared?.addTensor(name, digest, { file, ...place });
  };
  await files.stage(file, (temporary) =>
    writeSafetensors(temporary, layout, (name) => {
      const tensor = tensors.get(name);
      return tensor === undefined ? [] : watched(name, tensor);
    }),
  );
  progress?.(file, layout.size, layout.size);
}

/**
 * Has the graph refer to a tensor that an output before it has written, in the same folder, if it refers to it at all.
 *
 * @returns whether the tensor is there
 */
function isShared(
  shared: SharedWeights,
  { value, name, tensor }: Stored,
  rw: Rewriter,
  folder: string,
): boolean {
  const range = shared.tensorAt(name, tensor);
  if (range === null) return false;
  const location = locationIn(folder, range.file);
  if (value !== null) rw.setConstant(value, tensor.stored({ kind: "external", location, range }));
  return true;
}

/** Has tensors in memory, so that they go into the graph's own file. */
function holdInline(rw: Rewriter, stored: readonly Stored[]): void {
  for (const { value, tensor } of stored)
    if (value !== null) rw.setConstant(value, tensor.stored({ kind: "memory", bytes: tensor.bytes() }));
}
