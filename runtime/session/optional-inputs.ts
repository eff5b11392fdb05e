import { closeSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { describedIn, OPTIONAL_INPUTS } from "../../compiler/adapters/description.ts";
import { ADAPTER_KEY } from "../../compiler/adapters/kind.ts";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { numbers } from "../../compiler/ir/scalar.ts";
import type { ByteRange, Tensor } from "../../compiler/ir/tensor.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { LOOP_KEY } from "../../compiler/ops/decode-loop.ts";
import { LOGITS_KEY } from "../../compiler/ops/logits.ts";
import { TRAIN_KEY } from "../../compiler/ops/training.ts";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { readBytes } from "../../compiler/weights/open-file.ts";
import {
  elementsFrom,
  isElementType,
  isFloating,
  tensorFrom,
  type HostTensor,
  type Tensors,
} from "./tensor.ts";

/** A model whose optional inputs have become required ones. */
export interface RequiredInputs {
  /** The model's bytes; external data lie in `folder`. */
  readonly bytes: Uint8Array;
  readonly folder: string;
  /** What is fed to the inputs that a run leaves out. */
  readonly defaults: Tensors;
}

/**
 * Makes the optional inputs of a graph that was compiled with such required ones, and null of any other graph.
 * onnxruntime's JavaScript binding neither names inputs that have defaults nor takes what is fed to them: a run gives
 * the default's result, without a word.
 *
 * @throws TfcError what reading the model throws
 */
export function requiredInputs(file: string): RequiredInputs | null {
  if (!hasDefaults(file)) return null;
  const { model } = openModel(file, new Sink());
  const rw = new Rewriter();
  const defaults = new Map<string, HostTensor>();
  for (const value of [...model.graph.inputs]) {
    const tensor = value.constant === undefined ? null : hostTensorOf(value.constant);
    // Of a type that JavaScript has not it cannot be fed anyway.
    if (tensor === null) continue;
    defaults.set(value.name ?? "", tensor);
    rw.removeInitializer(value);
  }
  return { bytes: bytesOf(emitModel(model)), folder: dirname(resolve(file)), defaults };
}

/** False also for what is no model, or says something strange of itself: who loads and who feeds it will say so. */
function hasDefaults(file: string): boolean {
  try {
    const meta = readModelMetadata(file);
    if ([LOGITS_KEY, LOOP_KEY, TRAIN_KEY].some((key) => meta.has(key))) return true;
    return describedIn(meta, ADAPTER_KEY, file)?.residence === OPTIONAL_INPUTS;
  } catch (cause) {
    if (cause instanceof TfcError) return false;
    throw cause;
  }
}

function hostTensorOf(tensor: Tensor): HostTensor | null {
  const { dtype, shape } = tensor;
  if (!isElementType(dtype)) return null;
  if (dtype === "int64") return tensorFrom(dtype, shape, (i) => numbers(tensor)?.[i] ?? 0);
  if (!isFloating(dtype)) return null;
  return { dtype, dims: shape, data: elementsFrom(dtype, tensor.bytes()) };
}

function bytesOf({ pieces, size }: ReturnType<typeof emitModel>): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece instanceof Uint8Array ? piece : rangeOf(piece), at);
    at += piece.length;
  }
  return bytes;
}

function rangeOf({ file, offset, length }: ByteRange): Uint8Array {
  const fd = openSync(file, "r");
  try {
    return readBytes(fd, offset, length);
  } finally {
    closeSync(fd);
  }
}
