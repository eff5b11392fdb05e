import { inputError } from "../../compiler/diagnostics/error.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { given } from "../../compiler/pass/options.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { Parameters, type ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import { convert } from "../../compiler/weights/convert.ts";
import { checkFinite } from "../../compiler/weights/finite.ts";
import type { WeightTensor } from "../../compiler/weights/weight.ts";
import { overriddenBytes, readShape, type Overriding } from "./_overridden.ts";
import { shifted, unpacked } from "./_unpacked.ts";
import { isTiedCopy } from "./_tied.ts";
import { placeOfVocabulary, vocabularyOf, widenLogits } from "./_vocabulary.ts";

/** Weights to put in place of the base's, by the names that Hugging Face gives them, and the file they are from. */
export interface Overrides {
  readonly file: string;
  readonly weights: ReadonlyMap<string, WeightTensor>;
  /** Whether a head that shares the embeddings follows them where they alone are given. */
  readonly headFollows: boolean;
}

export interface OverrideOptions {
  readonly overrides: Overrides;
}

/**
 * Puts weights of a checkpoint in place of the base's.
 *
 * Before: `q = MatMul (x, Transpose (W))`, W `[out, in]` as the exporter stored it.
 * After: `q = MatMul (x, W')`, W' `[in, out]`: laid out as the node reads it, in its type. A packed weight is made of
 * the parts that were given and the base's others. Where head and embeddings are tied, also as a transposed copy, and
 * only the embeddings are given, both are replaced, unless the file says that the head does not follow.
 *
 * Embeddings and head with another number of tokens than the base's change the width of the logits.
 *
 * The nodes that read other weights through the same initializer keep it. Refuses by name what the graph does not have,
 * what is quantized, and what the graph computes on before it is used.
 */
export const overrideWeights: Pass<OverrideOptions, NodeVisitor> = {
  name: "override-weights",
  summary: "put weights of a checkpoint in place of the base's",
  options: {
    overrides: given<Overrides>({
      help: "weights by name",
      default: { file: "", weights: new Map(), headFollows: true },
    }),
  },
  stats: ["overrides", "parameters"],
  requires: [],
  walk: nodesIn(),
  visitor: ({ model, options, rewriter, analysis, count }) => ({
    // Weights are found by their names, wherever in the model: there is no place to be taken to.
    model: {
      enter: () => {
        const { file, headFollows } = options.overrides;
        if (options.overrides.weights.size === 0) return;
        const view = analysis(viewDecoder);
        const weights = unpacked(options.overrides.weights, view, file);
        const parameters = new Parameters(model, view, weights.keys());
        const reads = new Map<string, { readonly name: string; readonly parts: Overriding[] }>();
        const ids = new Map<Node, number>();
        const all = headFollows ? withTied(weights, parameters) : weights;
        const tokens = vocabularyOf(all);
        const heads: Head[] = [];
        for (const [name, tensor] of all) {
          const places = parameters.find(name);
          if (typeof places === "string") {
            throw inputError("OVERRIDE_REFUSED", { file, name }, { model: model.loc.file, why: places });
          }
          for (const found of places) {
            const place = placeOfVocabulary(name, found, tokens);
            if (name === "lm_head.weight") heads.push({ node: place.reader, before: found.shape[0] ?? 0 });
            checkShape(place, tensor, file, name);
            const id = ids.get(place.reader) ?? ids.size;
            ids.set(place.reader, id);
            const key = `${id} ${place.index}`;
            const read = reads.get(key) ?? { name, parts: [] };
            reads.set(key, read);
            read.parts.push({ place, bytes: () => typedBytes(tensor, place, file, name) });
          }
          count("overrides");
          count(
            "parameters",
            tensor.shape.reduce((a, b) => a * b, 1),
          );
        }
        for (const read of reads.values()) override(model, rewriter, read);
        for (const { node, before } of heads) {
          if (tokens === null || tokens === before) continue;
          const why = widenLogits(model, rewriter, node, before, tokens);
          const place = { file, name: "lm_head.weight" };
          if (why !== null) throw inputError("OVERRIDE_REFUSED", place, { model: model.loc.file, why });
        }
      },
    },
  }),
};

interface Head {
  /** The node that multiplies. */
  readonly node: Node;
  /** Tokens of the base. */
  readonly before: number;
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
  if (tensor.dtype !== dtype) checkFinite({ file, name }, dtype, typed);
  return typed;
}

function override(
  model: Model,
  rw: Rewriter,
  { name, parts }: { readonly name: string; readonly parts: readonly Overriding[] },
): Value {
  const [first] = parts;
  if (first === undefined) throw new Error(`nothing to put at ${name}`);
  const { reader, index, dtype } = first.place;
  const shape = readShape(first.place);
  const tensor = new Tensor(dtype, shape, {
    kind: "deferred",
    file: "overrides",
    produce: () => overriddenBytes(parts),
  });
  const loc = madeBy("override-weights", [reader.loc]);
  const value = rw.value(loc, `${name}.override`, tensorType(dtype, shape), tensor);
  rw.addInitializer(model.graph, value);
  const old = reader.input(index);
  rw.setInput(reader, index, value);
  dropIfUnread(rw, [old]);
  return value;
}
