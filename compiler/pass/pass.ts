import type { Sink } from "../diagnostics/sink.ts";
import type { Model } from "../ir/model.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Analysis } from "./analyses.ts";
import type { Schema } from "./options.ts";
import type { Walker } from "./walker.ts";

/** A property of a model that passes rely on. */
export interface Invariant {
  /** Completes "the model is …". */
  readonly name: string;
  readonly holds: (model: Model) => boolean;
}

/** What a pass works with. */
export interface Context<O> {
  readonly model: Model;
  readonly options: O;
  readonly rewriter: Rewriter;
  readonly sink: Sink;
  /** What an analysis finds in the model as it is now; made anew only after a change. */
  readonly analysis: <T>(analysis: Analysis<T>) => T;
  /** Adds to one of the pass's declared counters. */
  readonly count: (stat: string, by?: number) => void;
}

/**
 * A pass. The object holds no state: what a run needs lives in the visitor's closure.
 *
 * `walk` says which places the pass is taken to, and thereby what its visitor may name: nodes (`nodesIn`), recognized
 * blocks (recognize/blocks), outlined modules and their projections (sites/modules).
 */
export interface Pass<O = object, V extends object = object> {
  /** Verb-object, kebab-case; also the name of its file, its doc page and its test folder. */
  readonly name: string;
  readonly summary: string;
  readonly options: Schema<O>;
  readonly stats: readonly string[];
  /** What must be true of a model before it runs. */
  readonly requires: readonly Invariant[];
  readonly walk: Walker<V>;
  visitor(context: Context<O>): V;
}
