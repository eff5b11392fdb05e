import { byteSize, isFloat } from "../../ir/dtype.ts";
import type { Model } from "../../ir/model.ts";
import { numbers } from "../../ir/scalar.ts";
import { Tensor } from "../../ir/tensor.ts";
import type { Fingerprint } from "../../weights/fingerprint.ts";
import type { DecoderView, Layer } from "../decoder.ts";
import { has } from "../../ops/table.ts";
import { embeddingOf } from "./embedding.ts";
import type { Linear } from "../linear/linear.ts";
import { weightOf } from "../linear/weight.ts";

/** Layers that are looked at, and numbers of each weight. */
const [LAYERS, NUMBERS] = [16, 8];

/**
 * Takes a model's fingerprint. Of a float weight it reads a few elements, wherever they are on disk, so its cost
 * depends neither on the size of the weights nor on the number of layers.
 */
export function fingerprintOf(model: Model, view: DecoderView): Fingerprint {
  const samples: Record<string, readonly number[]> = {};
  const embedding = embeddingOf(model, view.hiddenSize);
  if (embedding?.constant !== undefined) {
    const [rows = 0, columns = 0] = embedding.constant.shape;
    const found = sample(embedding.constant, placesIn(rows, columns));
    if (found !== null) samples["embed"] = found;
  }
  const layers = view.layers.filter(({ copy }) => copy === 0);
  const step = Math.max(1, Math.ceil(layers.length / LAYERS));
  for (const layer of layers.filter((_, i) => i % step === 0)) {
    for (const [name, linear] of unpackedOf(layer)) {
      const found = sampleLinear(linear);
      if (found !== null) samples[`${layer.index}.${name}`] = found;
    }
  }
  const count = new Set(layers.map(({ index }) => index)).size;
  return { version: 1, layers: count, hiddenSize: view.hiddenSize ?? 0, samples };
}

/** The projections that no exporter packs with others. */
function unpackedOf({ attention, mlp }: Layer): readonly (readonly [string, Linear])[] {
  return [
    ...(attention?.kind === "attention" ? [["o_proj", attention.o] as const] : []),
    ...(mlp?.kind === "mlp" ? [["down_proj", mlp.down] as const] : []),
  ];
}

/** Elements at the same outputs and inputs, whichever of the two comes first in the stored matrix. */
function sampleLinear({ node, inFeatures, outFeatures }: Linear): readonly number[] | null {
  const weight = weightOf(node.input(1));
  if (!weight?.path.every((one) => has(one, "same-numbers"))) return null;
  const tensor = weight.root.constant;
  if (tensor?.size !== inFeatures * outFeatures || tensor.shape.length !== 2) return null;
  const isOutFirst = (node.int("transB") === 1) !== weight.transposed;
  const places = placesIn(outFeatures, inFeatures);
  return sample(tensor, isOutFirst ? places : places.map(([row, column]) => [column, row]));
}

/** Some places of a matrix, spread over rows and columns by steps that have no factor in common with usual sizes. */
function placesIn(rows: number, columns: number): readonly (readonly [number, number])[] {
  return Array.from({ length: NUMBERS }, (_, i) => [(i * 7919) % rows, (i * 104729) % columns] as const);
}

/** Null where the elements are no floats or not there. */
function sample(tensor: Tensor, places: readonly (readonly [number, number])[]): readonly number[] | null {
  const [rows = 0, columns = 0] = tensor.shape;
  if (!isFloat(tensor.dtype) || rows === 0 || columns === 0) return null;
  const found = places.map(([row, column]) => elementAt(tensor, row * columns + column));
  return found.every((x) => x !== null) ? found.map((x) => Number(x.toPrecision(4))) : null;
}

/** Weights of which some element has been asked for, where they can only be read whole. */
const whole = new WeakMap<Tensor, Tensor>();

function elementAt(tensor: Tensor, index: number): number | null {
  const { storage } = tensor;
  const size = byteSize(tensor.dtype, 1) ?? 0;
  if (storage.kind === "strings" || (storage.kind === "external" && storage.range === null)) return null;
  let bytes: Uint8Array;
  if (tensor.at !== null && (storage.kind === "inline" || storage.kind === "external")) {
    const range = { file: tensor.at.file, offset: tensor.at.offset + index * size, length: size };
    bytes = tensor.stored({ ...storage, range }).bytes();
  } else {
    const read = whole.get(tensor) ?? tensor.stored({ kind: "memory", bytes: tensor.bytes() });
    whole.set(tensor, read);
    bytes = read.bytes().subarray(index * size, (index + 1) * size);
  }
  return numbers(new Tensor(tensor.dtype, [1], { kind: "memory", bytes }))?.[0] ?? null;
}
