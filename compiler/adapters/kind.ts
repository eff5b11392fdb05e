import type { Loc } from "../ir/entity.ts";
import type { Func } from "../ir/model.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Width } from "../sites/places.ts";
import type { SiteKind } from "../sites/site.ts";
import type { Schema } from "../pass/options.ts";

/**
 * Metadata key of what has adapters: on a compiled model and on an adapter file what is in it, as JSON; on the call of
 * an adapter's function the kind's name.
 */
export const ADAPTER_KEY = "tfc.adapter";

/** Metadata key of a compiled model: what stands in place of projections, in the same words. */
export const REPLACED_KEY = "tfc.replaced";

/** Metadata key of a merged model: the name of the adapter that is in its weights. */
export const MERGED_KEY = "tfc.merged";

/** The names of the adapter kinds. */
export const kindNames = ["scalarlm", "pattention", "lora"] as const;
/** An adapter kind: ScalarLM's, attention to parameter tokens (pattention), or LoRA. */
export type KindName = (typeof kindNames)[number];

/** The names by which fresh adapters are asked for: those of the kinds, and of forms of a kind that have one. */
export const freshNames = [...kindNames, "dora"] as const;
/** What fresh adapters are: an adapter kind, or a form of one, as `dora` is of `lora`. */
export type FreshName = (typeof freshNames)[number];

/** How a leaf's numbers begin, before training. Parameters are in the unit of the weights. */
export type Init =
  | { readonly kind: "zeros" }
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number };

/** Begins with the lengths of the rows of the weight that the adapter stands beside: nothing else tells them. */
export interface RowLengths {
  readonly kind: "row-lengths";
}

/** One parameter tensor of an adapter. */
export interface Leaf {
  /** As checkpoints name it below the module: `tokenformer_k`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init | RowLengths;
  /** How it depends on the adapter's size; null for a leaf that every size has alike. */
  readonly grows: Growth | null;
}

/**
 * Where an adapter's size (its rank, its tokens) is in a leaf: seen as `[outer, size, inner]`, the middle is what grows,
 * and in the leaf's own shape it is (a factor of) the dimension `axis`.
 */
export interface Growth {
  readonly axis: number;
  readonly outer: number;
  readonly inner: number;
  /** What new slices begin with. Those of one leaf are zeros, which keeps the function; the others' let them learn. */
  readonly fill: Init;
}

/**
 * How a body gets at its leaves: `single`, one adapter whose leaves are its inputs; else a bank, whose leaves are
 * stacked `[members, …]`, and an input `adapter_ids` that chooses for each of the `rows` of x `[rows, steps, in]`, or
 * for each of the `tokens` of x `[tokens, in]`.
 */
export type Form = "single" | "rows" | "tokens";

/** What a body is written with. */
export interface BodyContext {
  readonly rewriter: Rewriter;
  readonly loc: Loc;
  /** Name of the function, which its model does not use yet. */
  readonly name: string;
  /** Version of the default domain. */
  readonly opset: number;
  readonly form: Form;
  /** How many members a bank's leaves stack; of no meaning for `single`. */
  readonly members: number;
}

/** A form of a kind that begins under a name of its own. In files and graphs it is of the kind. */
export interface NamedForm<S> {
  readonly name: FreshName;
  readonly summary: string;
  /** What makes a kind's settings those of the form; no option sets it. */
  readonly settings: Partial<S>;
}

/** Shapes of leaves, by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * A kind of adapter, as data: what parameters it has, how they begin and grow, and the function that computes what is
 * added to a site's output. Passes and files know adapters by this interface alone.
 */
export interface AdapterKind<S = object> {
  readonly name: KindName;
  readonly summary: string;
  /** Name of the function in the graph, before a number that makes it unique. */
  readonly functionName: string;
  /** What a user sets, and what files keep beside the leaves. */
  readonly options: Schema<S>;
  /** Where it goes when nobody says where. */
  readonly defaultSites: readonly SiteKind[];
  readonly leafNames: readonly string[];
  /** Leaves that only some adapters of the kind have. Which ones is in their settings. */
  readonly optionalLeaves?: readonly string[];
  /** Forms of it that fresh adapters have by name. */
  readonly forms?: readonly NamedForm<S>[];
  /** The option that is the adapter's size. */
  readonly size: string;
  /** Settings without a usual value: where a file does not say one, somebody has to. */
  readonly mustBeStated: readonly (keyof S & string)[];
  /**
   * The settings of an adapter that a file holds: sizes by its leaves' shapes, the rest as stated, else by default.
   *
   * @throws TfcError where shapes and statements contradict each other
   */
  settingsOf(shapes: Shapes, stated: Readonly<Record<string, unknown>>): S;
  /** The widths that leaves of these shapes fit; 0 where a leaf or its dimension is missing. */
  widthOf(shapes: Shapes): Pick<Width, "inFeatures" | "outFeatures">;
  /** @throws TfcError where settings do not fit the width */
  leaves(width: Width, settings: S): readonly Leaf[];
  /**
   * Every coefficient that the kind has under some settings, by name, with what it is where nothing is added: finite,
   * and such that leaves of zeros add nothing.
   */
  readonly neutral: Readonly<Record<string, number>>;
  /** Numbers that the function takes beside the leaves, by name; vectors of one element in the graph. */
  coefficients(settings: S): Readonly<Record<string, number>>;
  /** Settings that a coefficient stands for, in files that keep coefficients as tensors and nothing else. */
  settingsFrom(
    coefficients: Readonly<Record<string, number>>,
    size: number,
  ): Readonly<Record<string, unknown>>;
  /**
   * The settings after the size has changed by slices that add nothing: everything else is kept, so that the function is.
   *
   * @throws TfcError GROWTH_INEXACT where no slice adds nothing
   */
  resized(settings: S, size: number): S;
  /** What a bank needs beside the stacked leaves to tell padding from weights. */
  readonly padding: (settings: S) => PaddingLeaf | null;
  /**
   * Whether the function also takes the norms of the rows of the projection's weight with the adapter in it, `[out]`,
   * and the projection's product without its bias, `[…, out]`.
   */
  readonly readsProjection: (settings: S) => boolean;
  /**
   * The function `(x, adapter_ids where there is a bank, leaves…, padding, coefficients…, norms and product where it
   * reads the projection) → y`. It depends on width and form, and on settings other than sizes and coefficients: sites
   * that agree in these share it.
   */
  body(width: Width, settings: S, context: BodyContext): Func;
  /** The settings that the body depends on. */
  bodyKey(settings: S): string;
}

/** A vector `[size]` added to an adapter's scores: 0 at what it has, and at padding what makes that count for nothing. */
export interface PaddingLeaf {
  readonly name: string;
  readonly pad: number;
}
