import type { Model } from "../ir/model.ts";
import type { Analysis } from "./analyses.ts";

/**
 * Takes a pass through a model: finds places of some kinds, and calls the pass's handlers at each. The layers above add
 * walkers of their own for what they know: what is a node here is an attention block to a recognizer.
 */
export interface Walker<V extends object> {
  /** The keys of a visitor that the walk never meets. */
  strangeKeys(visitor: V): readonly string[];
  walk(model: Model, visitor: V, tools: WalkTools): void;
}

/** What a walker is given by the runner. */
export interface WalkTools {
  /** What an analysis finds in the model as it is now. */
  readonly analysis: <T>(analysis: Analysis<T>) => T;
  /** How many edits the pass has made so far. */
  readonly changes: () => number;
}
