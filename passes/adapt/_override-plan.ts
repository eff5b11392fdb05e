import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import {
  Parameters,
  type ParameterOwner,
  type ParameterPlace,
} from "../../compiler/recognize/model/parameters.ts";
import { convert } from "../../compiler/weights/convert.ts";
import { checkFinite, checkRange } from "../../compiler/weights/finite.ts";
import { sizeOf, type WeightTensor } from "../../compiler/weights/weight.ts";
import type { Overriding } from "./_overridden.ts";
import { isTiedCopy } from "./_tied.ts";
import { shifted, unpacked } from "./_unpacked.ts";
import { placeOfVocabulary, vocabularyOf } from "./_vocabulary.ts";
import { planWidening, type Widening } from "./_widening.ts";

/** Weights to put in place of the base's, by the names that Hugging Face gives them, and the file they are from. */
export interface Overrides {
  readonly file: string;
  readonly weights: ReadonlyMap<string, WeightTensor>;
  /** Whether a head that shares the embeddings follows them where they alone are given. */
  readonly headFollows: boolean;
}

/** What a node is to read at one of its inputs: a weight, or the parts of a packed one. */
export interface Override {
  /** Of the first part. */
  readonly name: string;
  readonly reader: Node;
  readonly index: number;
  readonly parts: readonly Overriding[];
}

/** What is put where in a model. */
export interface OverridePlan {
  readonly overrides: ReadonlyMap<ParameterOwner, readonly Override[]>;
  /** What another vocabulary changes behind each head. */
  readonly widenings: readonly Widening[];
  /** How many weights are put in place, and their elements. */
  readonly weights: number;
  readonly parameters: number;
}

/**
 * Finds the places of weights, and checks that they can be replaced.
 *
 * Done for all at once: what norms are called, whether head and embeddings are tied, and whether the vocabulary has
 * changed is told by all names together. It changes nothing, and nothing is refused after it.
 *
 * @throws TfcError OVERRIDE_REFUSED; ADAPTER_LEAF_SHAPE
 */
export function planOverrides(
  model: Model,
  view: DecoderView,
  { file, weights, headFollows }: Overrides,
): OverridePlan {
  const apart = unpacked(weights, view, file);
  const parameters = new Parameters(model, view, apart.keys());
  const all = headFollows ? withTied(apart, parameters) : apart;
  const tokens = vocabularyOf(all);
  const reads = new Reads();
  const heads: ParameterPlace[] = [];
  const refuse = (name: string, why: string): Error =>
    inputError("OVERRIDE_REFUSED", { file, name }, { model: model.loc.file, why });
  for (const [name, tensor] of all) {
    const places = parameters.find(name);
    if (typeof places === "string") throw refuse(name, places);
    for (const found of places) {
      const place = placeOfVocabulary(name, found, tokens);
      if (name === "lm_head.weight") heads.push(found);
      checkShape(place, tensor, file, name);
      reads.add(name, place, () => typedBytes(tensor, place, file, name));
    }
  }
  const widenings = heads.flatMap(({ reader, shape: [before = 0] }) => {
    if (tokens === null || tokens === before) return [];
    const widening = planWidening({ head: reader, before, after: tokens }, reads);
    if (typeof widening === "string") throw refuse("lm_head.weight", widening);
    return [widening];
  });
  const sizes = [...all.values()].map(sizeOf);
  return {
    overrides: reads.byOwner(),
    widenings,
    weights: all.size,
    parameters: sizes.reduce((a, b) => a + b, 0),
  };
}

/** What nodes are to read, by node and input. */
class Reads {
  readonly #reads = new Map<Node, Map<number, Override & { readonly parts: Overriding[] }>>();
  readonly #owners = new Map<ParameterOwner, Override[]>();

  /** Another part of what is read there, or the first. */
  add(name: string, place: ParameterPlace, bytes: Overriding["bytes"]): void {
    const { reader, index, owner } = place;
    const ofReader =
      this.#reads.get(reader) ?? new Map<number, Override & { readonly parts: Overriding[] }>();
    this.#reads.set(reader, ofReader);
    const known = ofReader.get(index);
    if (known !== undefined) {
      known.parts.push({ place, bytes });
      return;
    }
    const read = { name, reader, index, parts: [{ place, bytes }] };
    ofReader.set(index, read);
    this.#owners.set(owner, [...(this.#owners.get(owner) ?? []), read]);
  }

  has(reader: Node, index: number): boolean {
    return this.#reads.get(reader)?.has(index) === true;
  }

  byOwner(): ReadonlyMap<ParameterOwner, readonly Override[]> {
    return this.#owners;
  }
}

/** Embeddings that the head shares count for both, as they do where the checkpoint was trained. */
function withTied(
  weights: ReadonlyMap<string, WeightTensor>,
  parameters: Parameters,
): ReadonlyMap<string, WeightTensor> {
  const embeddings = weights.get("model.embed_tokens.weight");
  if (embeddings === undefined || weights.has("lm_head.weight")) return weights;
  const [table, head] = ["model.embed_tokens.weight", "lm_head.weight"].map((name) => parameters.find(name));
  if (typeof table !== "object" || typeof head !== "object") return weights;
  const [embedding, projection] = [table[0], head[0]];
  if (embedding === undefined || projection === undefined || !isTiedCopy(embedding, projection))
    return weights;
  return new Map([...weights, ["lm_head.weight", embeddings]]);
}

function checkShape(place: ParameterPlace, tensor: WeightTensor, file: string, name: string): void {
  const [wanted, found] = [place.shape.join(), tensor.shape.join()];
  if (wanted !== found) throw inputError("ADAPTER_LEAF_SHAPE", { file, name }, { wanted, found });
}

function typedBytes(
  tensor: WeightTensor,
  { dtype, offset = 0 }: ParameterPlace,
  file: string,
  name: string,
): Uint8Array {
  const bytes = tensor.bytes();
  checkFinite({ file, name }, tensor.dtype, bytes);
  const typed =
    offset === 0 ? convert(bytes, tensor.dtype, dtype) : shifted(bytes, tensor.dtype, dtype, offset);
  checkRange({ file, name }, tensor.dtype, bytes, dtype, typed);
  return typed;
}
