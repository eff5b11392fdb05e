import type { Place } from "../../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import type { Sink } from "../../../compiler/diagnostics/sink.ts";
import type { Prepared } from "./prepare.ts";
import { placeOf, placesIn, type DataPlace } from "./row.ts";
import { sequencesOf, type Packing, type Sequences } from "./sequences.ts";
import { splitExamples } from "./split.ts";
import type { TokenFile } from "./token-file.ts";

/** How examples are parted and made sequences of. */
export interface DataOptions {
  /** null packs texts, and fills everything else up. */
  readonly packing: Packing | null;
  /** Tokens of a sequence at most. */
  readonly length: number;
  /** The share of the examples that is held back for evaluation. */
  readonly evalSplit: number;
  readonly seed: number;
}

/** Sequences to train on, and to evaluate on. */
export interface Dataset {
  readonly packing: Packing;
  readonly train: Sequences;
  readonly evaluation: Sequences;
  /** Of the examples: to train on, to evaluate on. */
  readonly examples: { readonly train: number; readonly evaluation: number };
  /** Tokens of all examples. */
  readonly tokens: number;
  readonly digest: string;
  /** Where examples stand, in words: `chat.jsonl line 3, 7`. */
  places(examples: readonly number[]): string;
  readonly close: () => void;
}

/**
 * Parts what was prepared, and makes sequences of it.
 *
 * @throws TfcError TRAIN_NOTHING_LEARNED
 */
export function datasetOf(
  { tokens, areTexts, digest, empty }: Prepared,
  { packing: asked, length, evalSplit, seed }: DataOptions,
  sink: Sink,
): Dataset {
  const packing = asked ?? (areTexts ? "pack" : "pad");
  const all = Uint32Array.from({ length: tokens.count }, (_, i) => i);
  // What is packed stands where its turn is; what is not begins a sequence, of which the rest is cut off.
  const examples = packing === "pack" ? all : all.filter((one) => tokens.isLearnedWithin(one, length));
  if (!examples.some((one) => tokens.isLearnedWithin(one, tokens.length(one))))
    throw inputError("TRAIN_NOTHING_LEARNED", {}, { examples: all.length, length });
  if (empty !== null) sink.report("TRAIN_ANSWERS_EMPTY", placeOf(empty.first), { empty: empty.count });
  if (packing === "pad") report(tokens, length, sink);
  const { train, evaluation } = splitExamples(examples, evalSplit, seed);
  if (evalSplit > 0 && evaluation.length === 0)
    sink.report("TRAIN_NONE_HELD_BACK", {}, { share: evalSplit, of: examples.length });
  const how = { packing, length, seed };
  return {
    packing,
    train: sequencesOf(tokens, train, how),
    evaluation: sequencesOf(tokens, evaluation, how),
    examples: { train: train.length, evaluation: evaluation.length },
    tokens: tokens.total,
    digest,
    places: (ones) => placesText(ones.map((one) => tokens.place(one))),
    close: () => {
      tokens.close();
    },
  };
}

/** Says what is cut, and what is left out. */
function report(tokens: TokenFile, length: number, sink: Sink): void {
  const [out, cut] = [new Met(), new Met()];
  for (let one = 0; one < tokens.count; one++) {
    if (!tokens.isLearnedWithin(one, length)) out.meet(one);
    else if (tokens.length(one) > length) cut.meet(one);
  }
  const at = (one: number): Place => placeOf(tokens.place(one));
  const of = tokens.count;
  if (cut.count > 0) sink.report("TRAIN_EXAMPLES_CUT", at(cut.first), { cut: cut.count, of, length });
  if (out.count > 0) sink.report("TRAIN_EXAMPLES_LEFT_OUT", at(out.first), { out: out.count, of, length });
}

/** How many examples were met, and which first. */
class Met {
  count = 0;
  first = 0;

  meet(example: number): void {
    if (this.count++ === 0) this.first = example;
  }
}

/** Lines that are named of one batch. */
const SHOWN = 16;

function placesText(places: readonly DataPlace[]): string {
  const byFile = new Map<string, number[]>();
  for (const { file, line } of places.slice(0, SHOWN)) byFile.set(file, [...(byFile.get(file) ?? []), line]);
  const named = [...byFile].map(([file, lines]) => placesIn(file, lines));
  const more = places.length - SHOWN;
  return `${named.join("; ")}${more > 0 ? ` and ${more} more` : ""}`;
}
