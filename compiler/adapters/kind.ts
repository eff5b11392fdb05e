import type { DType } from "../ir/dtype.ts";
import type { Loc } from "../ir/entity.ts";
import type { Func } from "../ir/model.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Schema } from "../pass/options.ts";

/**
 * Metadata key of what has adapters: on a model and on an adapter file the kind with its options, as JSON; on the
 * call of an adapter's function the kind's name.
 */
export const ADAPTER_KEY = "tfc.adapter";

/** How a leaf's numbers begin, before training. Parameters are in the unit of the weights. */
export type Init =
  | { readonly kind: "zeros" }
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number };

/** One parameter tensor of an adapter. */
export interface Leaf {
  /** As checkpoints name it below the module: `tokenformer_k`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
}

/** Where an adapter is put: beside a block from `[…, hiddenSize]` to the same shape. */
export interface Width {
  readonly hiddenSize: number;
  readonly dtype: DType;
}

/** What a body is written with. */
export interface BodyContext {
  readonly rewriter: Rewriter;
  readonly loc: Loc;
  /** Name of the function, which its model does not use yet. */
  readonly name: string;
  /** Version of the default domain. */
  readonly opset: number;
}

/**
 * A kind of adapter, as data: what parameters it has, how they begin, and the function that computes what is added
 * to a block's output. Passes know adapters by this interface alone.
 */
export interface AdapterKind<O = object> {
  readonly name: string;
  readonly summary: string;
  /** Name of the function in the graph, before a number that makes it unique. */
  readonly functionName: string;
  readonly options: Schema<O>;
  /** @throws TfcError where options do not fit the width */
  leaves(width: Width, options: O): readonly Leaf[];
  /**
   * The function `(x, leaves…) → y` with y of x's shape. Two sites of equal width and options share it.
   */
  body(width: Width, options: O, context: BodyContext): Func;
}
