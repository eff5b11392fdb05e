import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import { given, integer, yesNo } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewDecoder, type DecoderView } from "../../compiler/recognize/decoder.ts";
import { embeddingNodes } from "../../compiler/recognize/model/embedding.ts";
import { absences, Parameters, type ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import { isGemma } from "../../compiler/recognize/norm/style.ts";
import type { Selector } from "../../compiler/sites/selector.ts";
import { isTiedCopy } from "../adapt/_tied.ts";
import { leftOut } from "./_left-out.ts";
import { baseNames } from "./_base-names.ts";
import { BaseParameters, type Reading } from "./_base-parameters.ts";
import { baseWords, type BaseSelection } from "./_base-words.ts";

export interface TrainBaseOptions {
  /** Which weights of the base are trained. */
  readonly weights: BaseSelection;
  /** Sites that are replaced afterwards, and whose weights go. */
  readonly except: readonly Selector[];
  /** Whether they begin as random numbers instead of the base's. */
  readonly fresh: boolean;
  readonly seed: number;
}

const EMBEDDINGS = "model.embed_tokens.weight";
const HEAD = "lm_head.weight";

/**
 * Makes weights of the base parameters that are trained.
 *
 * Before: `q = MatMul (x, W)`, W an initializer.
 * After: `q = MatMul (x, Transpose (P))`, P a float input by Hugging Face's name and in its layout, `[out, in]`, whose
 * first numbers are those of W, or random ones where a model is trained from nothing. Of a packed product each part is a parameter of its own, and those that are not trained
 * stay: `Concat (P, rest)`. In half precision it is cast where it is used. Embeddings that the head shares, also as a
 * transposed copy, are one parameter.
 *
 * Refuses by name what is quantized, and what the graph computes on before it is used; and words that choose nothing.
 * Names in a warning the weights that words stand for and that stay as they are, and refuses to begin at random without
 * them.
 */
export const trainBase: Pass<TrainBaseOptions, NodeVisitor> = {
  name: "train-base",
  summary: "make weights of the base parameters that are trained",
  options: {
    weights: baseWords,
    except: given<readonly Selector[]>({ help: "sites that are replaced afterwards", default: [] }),
    fresh: yesNo({ help: "begins with random numbers, not with the base's" }),
    seed: integer({ help: "seed of random numbers", default: 0, min: 0, max: 2 ** 32 - 1 }),
  },
  stats: ["weights", "parameters"],
  requires: [],
  walk: nodesIn(),
  visitor: ({ model, options, rewriter, sink, analysis, count }) => ({
    model: {
      exit: () => {
        const [first] = model.graph.nodes;
        const view = analysis(viewDecoder);
        const readings = readingsOf(model, view, options);
        if (first === undefined || readings.length === 0) return;
        reportLeftOut(model, view, readings, options, sink);
        const neutralNorm = isGemma(model, view.hiddenSize) ? 0 : 1;
        const fresh = options.fresh ? ({ seed: options.seed, neutralNorm } as const) : null;
        const parameters = new BaseParameters(model, rewriter, first, fresh);
        for (const together of byInput(readings)) parameters.put(together);
        count("weights", new Set(readings.map(({ name }) => name)).size);
        count("parameters", parameters.elements);
      },
    },
  }),
};

/** @throws TfcError TRAIN_BASE_REFUSED, TRAIN_BASE_NONE */
function readingsOf(
  model: Model,
  view: DecoderView,
  { weights, except }: TrainBaseOptions,
): readonly Reading[] {
  const chosen = baseNames(model, view, weights, except);
  const names = new Set([...chosen.values()].flat());
  const parameters = new Parameters(model, view, names);
  const found = new Map<string, readonly ParameterPlace[]>();
  for (const name of names) {
    const places = parameters.find(name);
    if (typeof places !== "string") found.set(name, places);
    else if (!absences.has(places))
      throw inputError(
        "TRAIN_BASE_REFUSED",
        { ...placeOf(model), pass: "train-base" },
        { name, why: places },
      );
  }
  for (const [word, ofWord] of chosen)
    if (!ofWord.some((name) => found.has(name)))
      throw inputError("TRAIN_BASE_NONE", { ...placeOf(model), pass: "train-base" }, { word });
  const all = [...found].flatMap(([name, places]) => places.map((place) => ({ name, place })));
  return withTied(model, view, parameters, withLookups(model, view, all));
}

/**
 * Says which weights stay as they are although words stand for them.
 *
 * @throws TfcError TRAIN_BASE_PARTIAL where all were to begin at random
 */
function reportLeftOut(
  model: Model,
  view: DecoderView,
  readings: readonly Reading[],
  { weights, except, fresh }: TrainBaseOptions,
  sink: Sink,
): void {
  const trained = new Set(readings.map(({ place }) => place.weight.root));
  const { names, elements } = leftOut(model, view, weights, trained, except);
  if (names.length === 0) return;
  const place = { ...placeOf(model), pass: "train-base" };
  if (fresh) throw inputError("TRAIN_BASE_PARTIAL", place, { names });
  sink.report("TRAIN_BASE_LEFT_OUT", place, { names, elements });
}

/** Other lookups of the embeddings read what the first does. */
function withLookups(model: Model, view: DecoderView, readings: readonly Reading[]): readonly Reading[] {
  const table = readings.find(({ name }) => name === EMBEDDINGS);
  if (table === undefined) return readings;
  const others = embeddingNodes(model, view.hiddenSize).filter((node) => node !== table.place.reader);
  return [...readings, ...others.map((reader) => ({ name: EMBEDDINGS, place: { ...table.place, reader } }))];
}

/** Embeddings and head that hold the same numbers are one parameter, whichever of them was named. */
function withTied(
  model: Model,
  view: DecoderView,
  parameters: Parameters,
  readings: readonly Reading[],
): readonly Reading[] {
  if (!readings.some(({ name }) => name === EMBEDDINGS || name === HEAD)) return readings;
  const [table, head] = [EMBEDDINGS, HEAD].map((name) => parameters.find(name));
  if (typeof table !== "object" || typeof head !== "object") return readings;
  const [embedding, projection] = [table[0], head[0]];
  if (embedding === undefined || projection === undefined || !isTiedCopy(embedding, projection))
    return readings;
  const others = readings.filter(({ name }) => name !== EMBEDDINGS && name !== HEAD);
  const tied = [...table, ...head].map((place) => ({ name: EMBEDDINGS, place }));
  return [...others, ...withLookups(model, view, tied)];
}

/** Readings of one input of a node together: a packed product has one for each of its parts. */
function byInput(readings: readonly Reading[]): readonly (readonly Reading[])[] {
  const groups = new Map<Node, Map<number, Reading[]>>();
  for (const reading of readings) {
    const { reader, index } = reading.place;
    const ofReader = groups.get(reader) ?? new Map<number, Reading[]>();
    groups.set(reader, ofReader);
    const together = ofReader.get(index) ?? [];
    ofReader.set(index, together);
    // Two names of one norm are one parameter, by the first.
    if (together.every(({ place }) => place.packed !== null && startsElsewhere(place, reading.place)))
      together.push(reading);
  }
  return [...groups.values()].flatMap((ofReader) => [...ofReader.values()]);
}

function startsElsewhere({ packed }: ParameterPlace, other: ParameterPlace): boolean {
  return packed?.start !== other.packed?.start;
}
