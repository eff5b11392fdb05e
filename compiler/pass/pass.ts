import type { Sink } from "../diagnostics/sink.ts";
import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Analysis } from "./analyses.ts";
import type { Schema } from "./options.ts";

/** What a visit asks of the walk: go on, leave out what is inside, or end the walk. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a visitor that returns nothing goes on
export type Step = void | "skip" | "stop";

/** What a pass does at each place. Keys other than these, and op keys that are not well-formed, are refused before the walk. */
export interface Visitor {
  readonly graph?: { readonly enter?: (graph: Graph) => Step; readonly exit?: (graph: Graph) => Step };
  /** Every node, before the handler of its op. */
  readonly node?: (node: Node) => Step;
  /** By op: `MatMul`, `com.microsoft::Gelu`. */
  readonly ops?: Readonly<Record<string, (node: Node) => Step>>;
}

/** A property of a model that passes rely on and establish. */
export interface Invariant {
  /** Completes "the model is …". */
  readonly name: string;
  readonly holds: (model: Model) => boolean;
}

/** Which graphs a pass walks. */
export type Scope = "main" | "subgraphs" | "functions";

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

/** A pass. The object holds no state: what a run needs lives in the visitor's closure. */
export interface Pass<O = object> {
  /** Verb-object, kebab-case; also the name of its file, its doc page and its test folder. */
  readonly name: string;
  readonly summary: string;
  readonly options: Schema<O>;
  readonly stats: readonly string[];
  readonly scopes: readonly Scope[];
  readonly requires: readonly Invariant[];
  readonly ensures: readonly Invariant[];
  visitor(context: Context<O>): Visitor;
}
