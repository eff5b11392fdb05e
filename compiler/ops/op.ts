import type { Node } from "../ir/node.ts";

/** What an op does with elements, as far as a recognizer asks. */
export type Trait =
  /** Hands on the elements of its first operand: in another shape, order or type. */
  | "view"
  /** A view that keeps order and type. */
  | "reshape"
  /** A view in another float or integer type. */
  | "retype"
  | "quantize"
  | "dequantize"
  /** Tells the shape of its operand and nothing of its content. */
  | "shape"
  /** Chooses, joins or repeats elements of its operands. */
  | "choose"
  /** Takes some of its first operand's features. */
  | "cut"
  /** Takes some of its first operand's rows. */
  | "rows"
  /** Makes each element of those at the same place in its operands. */
  | "elementwise"
  /** Makes statistics of its operand over some axes. */
  | "reduce"
  /** Makes each token of others before it, and is no attention: a convolution, a sum or a scan over tokens. */
  | "mix-tokens"
  /** A product of two matrices. */
  | "product"
  /** May stand between a stored parameter and the node that uses it. */
  | "parameter"
  /** What the reader of a parameter gets are the stored numbers. */
  | "same-numbers"
  /** May stand between the scores of attention and its Softmax. */
  | "scores"
  /** May stand between a mean of squares and the factor made of it. */
  | "statistic"
  /** Joins keys or values of earlier tokens with new ones. */
  | "join-past"
  /** Repeats heads of keys and values for grouped queries. */
  | "repeat-heads"
  /** Keeps a number the same where it is computed of shapes. */
  | "same-scalar"
  /** Chooses by scores: says where the best ones stand. */
  | "best"
  /** Makes a tensor of shapes and constants alone, whatever its operands hold. */
  | "filled";

/** How many axes a result has: as many as the first operand, or as the operand that has most. */
export type RankRule = "first" | "most";

/** A norm by definition. */
export interface NormOp {
  readonly kind: "rms" | "layer";
  /** Operand index of the weight; null where it has none that a recognizer could name. */
  readonly weight: number | null;
  readonly bias: number | null;
  /** Whether it normalizes the sum of its first two operands. */
  readonly adds: boolean;
  /** Result index of that sum; null where it adds nothing. */
  readonly sum: number | null;
}

/** A rotary position embedding by definition. */
export interface RotaryOp {
  readonly cos: number;
  readonly sin: number;
}

/** Attention by definition: which operand is what. Indices count from 0. */
export interface AttentionOp {
  readonly query: number;
  readonly key: number;
  readonly value: number;
  /** Whether the first operand holds queries, keys and values one after another where there are no keys. */
  readonly packs: boolean;
  /** Whether each token then has the features of its query, key and value behind each other: one product gives them. */
  readonly packsFeatures: boolean;
  /** Attributes with the numbers of heads; of keys and values the first that is there. */
  readonly heads: { readonly query: string; readonly keyValue: readonly string[] } | null;
  readonly cache: {
    readonly pastKey: number;
    readonly pastValue: number;
    /** Output indices. */
    readonly presentKey: number;
    readonly presentValue: number;
  } | null;
  readonly mask: {
    readonly operand: number | null;
    /** Whether later positions are hidden: always, where this attribute is 1, or wherever it is not 0. */
    readonly causal: true | string | { readonly unless: string } | null;
    /** Operand with lengths, which hides what lies behind them. */
    readonly lengths: number | null;
    /** Attribute with the number of positions that are seen. */
    readonly window: string | null;
  };
  /** Operand with a score for each head that takes part in the softmax and in nothing else. */
  readonly sinks: number | null;
  /** How it turns queries and keys itself: where this attribute is 1, or wherever the table of cosines is given. */
  readonly rotary: (RotaryOp & { readonly attribute: string | null }) | null;
  /**
   * Whether onnxruntime can infer the types of its presents inside a function where all sizes are fixed numbers: for
   * some ops it infers a shape and forgets the type, and refuses the model.
   */
  readonly infersFixedPresents: boolean;
  /** Which kind of exporter writes it. */
  readonly style: "attention-ops" | "genai" | "vllm";
}

/** A mixture of experts by definition: the operand with the router's scores, and the attribute with how many it takes. */
export interface ExpertsOp {
  readonly scores: number;
  readonly topK: string;
}

/** What the compiler knows of an op. */
export interface Op {
  readonly traits: ReadonlySet<Trait>;
  /** Operands whose elements reach the result; the others say where, how many or in which type. Null for all. */
  readonly carries: readonly number[] | null;
  readonly rank: RankRule | null;
  /** What makes an elementwise chain an activation, by the name users know it by. */
  readonly activation: string | null;
  readonly norm: NormOp | null;
  readonly rotary: RotaryOp | null;
  readonly attention: AttentionOp | null;
  readonly experts: ExpertsOp | null;
}

/** One row of the table: an op's name as {@link Node.op} gives it, and what differs from an op of which nothing is known. */
export type Row = readonly [
  name: string,
  facts: Partial<Omit<Op, "traits">> & { readonly traits?: readonly Trait[] },
];

/** An op of which nothing is known. */
export const unknownOp: Op = {
  traits: new Set(),
  carries: null,
  rank: null,
  activation: null,
  norm: null,
  rotary: null,
  attention: null,
  experts: null,
};

export function opOfRow([, { traits = [], ...facts }]: Row): Op {
  return { ...unknownOp, ...facts, traits: new Set(traits) };
}

/** The operands of a node whose elements reach its result. */
export function carriedBy(node: Node, { carries }: Op): Node["inputs"] {
  return carries === null ? node.inputs : carries.map((i) => node.input(i));
}
