/*
 * The data of a report: plain, and all that the page knows. The page is built for a browser and imports these types
 * alone.
 */

/** Everything that a report shows. */
export interface ReportData {
  readonly version: 1;
  /** The model's file, as it was given. */
  readonly file: string;
  /** The base's file, where one was given. */
  readonly base: string | null;
  /** What the base is to the model; null without a base. */
  readonly baseIs: BaseRelation | null;
  readonly summary: Summary;
  readonly layers: readonly LayerRow[];
  /** What stands in front of all layers, and behind: embedding, final norm, head. */
  readonly ends: { readonly before: readonly Module[]; readonly behind: readonly Module[] };
  /** Everything that has a picture of its own; the first is the main graph. */
  readonly parts: readonly Part[];
  readonly drawings: readonly Drawing[];
  /** How often each op is there, functions written out; most frequent first, constants last. */
  readonly ops: readonly OpRow[];
  /** What the base's modules became, equal changes together; empty without a base. */
  readonly changes: readonly Change[];
  /** By provider; empty where the functions, written out, are too many nodes. */
  readonly placement: readonly ProviderPlacement[];
  readonly training: TrainingCurves | null;
}

/**
 * What a base is to a model, as the model's record says: the one that it was compiled from, another, or nothing that
 * the files tell.
 */
export type BaseRelation = "own" | "other" | "unknown";

/** What is said of the model as a whole. */
export interface Summary {
  readonly style: string;
  readonly exporter: string;
  readonly hiddenSize: number | null;
  /** Of all initializers, as `tfc inspect` counts them. */
  readonly parameters: number;
  /** Bytes of all initializers as they are stored. */
  readonly bytes: number;
  readonly matched: BlockNumbers;
  readonly seen: BlockNumbers;
  /** Nodes of the main graph and of the graphs inside it, functions, and nodes with the functions written out. */
  readonly nodes: number;
  readonly functions: number;
  readonly writtenOut: number;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Why the graph is no Llama-family decoder; null where it is one. */
  readonly refusal: string | null;
  /** What else there is to say, by label: adapters, base, lowered for, caches. */
  readonly notes: readonly (readonly [label: string, text: string])[];
  /** Warnings, as the commands print them. */
  readonly warnings: readonly string[];
  readonly adapters: AdapterTotals | null;
}

export interface BlockNumbers {
  readonly attention: number;
  readonly mlp: number;
}

/** An input or output of the graph. */
export interface Port {
  readonly name: string;
  readonly type: string;
}

/** Adapters of the whole model. */
export interface AdapterTotals {
  readonly count: number;
  readonly parameters: number;
  readonly bytes: number;
  /** `baked`, `inputs`, `bank`, … */
  readonly residence: string;
}

/** One layer, as a row of the picture. */
export interface LayerRow {
  /** Counted from 0. */
  readonly index: number;
  readonly copy: number;
  /** `model.layers.0` */
  readonly name: string;
  /** The part that shows it whole; null where its nodes are not together. */
  readonly part: number | null;
  /** Norms, blocks and what else is known in it, in the order of the graph. */
  readonly modules: readonly Module[];
}

/** What a part is. */
export type PartKind =
  | "graph"
  | "layer"
  | "embedding"
  | "norm"
  | "attention"
  | "mlp"
  | "experts"
  | "head"
  | "adapter"
  | "function";

/** What a picture of a layer has in it. */
export interface Module {
  readonly kind: PartKind;
  /** `self_attn`, `mlp`, `input_layernorm` */
  readonly label: string;
  /** Null of what was not understood, and stands in no box of its own. */
  readonly part: number | null;
  /** One line of what it is. */
  readonly text: string;
  readonly miss: Miss | null;
  readonly adapters: readonly Adapter[];
}

/** Why a block was not understood. */
export interface Miss {
  readonly code: string;
  readonly at: string;
  readonly wanted: string;
  readonly found: string;
  /** The name that finds the node on the page. */
  readonly node: string;
}

/** An adapter beside or inside a module. */
export interface Adapter {
  /** `model.layers.0.mlp`, `model.layers.0.self_attn.q_proj` */
  readonly site: string;
  readonly kind: string;
  /** `rank 8, alpha 16` */
  readonly settings: string;
  /** Whether it stands in the projection's place. */
  readonly isReplacing: boolean;
  readonly parameters: number;
  readonly bytes: number;
}

/** A graph, layer, module or function, as it can be opened. */
export interface Part {
  /** Its permalink: the name that `tfc dump` prints, where it is one there. */
  readonly name: string;
  readonly kind: PartKind;
  readonly layer: number | null;
  /** The part it stands in; null of the main graph and of functions. */
  readonly within: number | null;
  readonly drawing: number;
  readonly names: Names;
  /** The parts that the drawing's nodes open, by their slots. */
  readonly opens: readonly number[];
  /** Of the weights it is the first to read, those of parts inside included. */
  readonly parameters: number;
  readonly bytes: number;
  /** Parameters that it reads and that another part has. */
  readonly shared: number;
  /** What recognition says of it, by label. */
  readonly facts: readonly (readonly [label: string, text: string])[];
}

/** Names of a drawing's nodes and values, as one part has them: whole, or by how they follow from another part's. */
export type Names =
  | { readonly nodes: readonly string[]; readonly values: readonly string[] }
  | {
      /** The part whose names these are made of. */
      readonly like: number;
      /** The number of its layer, and of this one's. */
      readonly from: number;
      readonly to: number;
      /** Of the nodes, then of the values: a name, or how to replace the number: 0 the first, 1 each. Left out: 0. */
      readonly own?: readonly (string | 0 | 1)[];
    };

/** A graph without names: equal modules share one. */
export interface Drawing {
  readonly nodes: readonly DrawnNode[];
  readonly values: readonly DrawnValue[];
  /** How often each op is in it, what it opens included. */
  readonly ops: Readonly<Record<string, number>>;
}

export interface DrawnNode {
  readonly op: string;
  /** Indices of values; -1 where one is left out. */
  readonly in: readonly number[];
  readonly out: readonly number[];
  /** `axis = -1` */
  readonly attributes?: string;
  /** What it is for: the projections that it is, as Hugging Face calls them, of a packed product several; `scores`, `router`. */
  readonly roles?: readonly string[];
  /** What it is, where it is a part. */
  readonly kind?: PartKind;
  /** Which of the part's `opens` it opens: what it is or calls, or the graphs that it holds. */
  readonly slots?: readonly number[];
  /** The drawings that it opens: drawings are equal only where what they open is. */
  readonly of?: readonly number[];
  /** Whether it computes with shapes and constants alone. */
  readonly quiet?: true;
  /** Why it does not run on a provider. */
  readonly off?: Readonly<Partial<Record<string, string>>>;
}

export interface DrawnValue {
  /** `float[batch,sequence,128]` */
  readonly type?: string;
  /** What it is, where no node of the drawing makes it; `fed` is a weight of an adapter that is an input of the graph. */
  readonly kind?: "input" | "weight" | "constant" | "fed";
  /** `{1.0}` of a constant. */
  readonly text?: string;
  /** Whether it comes from outside and is a size that is computed there. */
  readonly quiet?: true;
  /** Whether it is read outside, or is an output. */
  readonly leaves?: true;
}

export interface OpRow {
  readonly op: string;
  readonly model: number;
  /** Null without a base. */
  readonly base: number | null;
}

/** What became of equal modules of several layers. */
export interface Change {
  /** `mlp`, `self_attn` */
  readonly module: string;
  readonly kind: PartKind;
  /** Null for what is outside of the layers. */
  readonly layers: readonly number[];
  /** The function that calls it now, where it had none. */
  readonly outlined: string | null;
  readonly adapters: readonly string[];
  /** Ops that came and went. */
  readonly ops: readonly (readonly [op: string, before: number, after: number])[];
  readonly bytes: readonly [before: number, after: number];
}

/** Where the nodes run, for one provider. */
export interface ProviderPlacement {
  readonly provider: string;
  readonly onnxruntime: string;
  readonly on: number;
  readonly off: number;
  readonly copies: { readonly in: number; readonly out: number };
  /** What is elsewhere: by op and reason. */
  readonly reasons: readonly { readonly op: string; readonly reason: string; readonly count: number }[];
  /** By what modules are called, those of all layers together. */
  readonly modules: readonly {
    readonly label: string;
    readonly kind: PartKind;
    readonly on: number;
    readonly off: number;
  }[];
}

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [step: number, value: number])[];
}

/** Curves of a training run. */
export interface TrainingCurves {
  /** The folder of the run. */
  readonly run: string;
  readonly steps: number;
  readonly plots: readonly { readonly title: string; readonly curves: readonly Curve[] }[];
}
