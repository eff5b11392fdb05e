import { inputError } from "../diagnostics/error.ts";
import { placeOf } from "../diagnostics/diagnostic.ts";
import { isFloat, type DType } from "../ir/dtype.ts";
import type { Func, Model } from "../ir/model.ts";
import { linearsOf, siteOf, type InnerLinear, type Site, type SiteRef } from "./site.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { asTensor } from "../ir/type.ts";
import { nodesDeep } from "../ir/walk.ts";
import { parseSiteName, siteKey } from "./names.ts";

/** Where an adapter is put: beside (or in place of) something from `[…, inFeatures]` to `[…, outFeatures]`. */
export interface Width {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly dtype: DType;
  /** Whether it reads ids below `inFeatures`, `[…]`, as an embedding does. Left out where it does not. */
  readonly readsIds?: true;
}

interface PlaceBase {
  readonly ref: SiteRef;
  /** `model.layers.0.mlp`, `model.layers.0.self_attn.q_proj` */
  readonly name: string;
  /** The call that it is, or is in. */
  readonly site: Site;
}

/** A block's call. */
export interface ModulePlace extends PlaceBase {
  readonly inner: null;
  readonly step?: never;
}

/**
 * A step of the graph around a block's call, which keeps its form: a norm, or the block's output by itself. Of what is
 * outside all layers, embeddings and head, the block is the nearest one.
 */
export interface StepPlace extends PlaceBase {
  readonly inner: null;
  readonly step: StepEnds;
}

/** What a step reads and what it gives on, mostly both `[…, hiddenSize]`; one value where nothing is computed. */
export interface StepEnds {
  /** The node that makes the output. */
  readonly node: Node;
  readonly input: Value;
  readonly output: Value;
  /** What it goes from and to, where that is not the hidden size: embeddings, and the head. */
  readonly width?: Omit<Width, "dtype">;
  /** Element types of input and output; null where they are not known. */
  readonly dtype: DType | null;
  readonly outputDtype: DType | null;
}

/** A projection in the function that a block's call is of. */
export interface ProjectionPlace extends PlaceBase {
  readonly inner: Inner;
  readonly step?: never;
}

/** Somewhere an adapter can be put. */
export type Place = ModulePlace | StepPlace | ProjectionPlace;

/** A projection: one part of a linear in a function's body. */
export interface Inner {
  readonly func: Func;
  readonly linear: InnerLinear;
  readonly part: number;
}

/** Every place of a model, in its main graph and in those inside it, calls before the projections in them. */
export function placesOf(model: Model): readonly (ModulePlace | ProjectionPlace)[] {
  const places: (ModulePlace | ProjectionPlace)[] = [];
  for (const node of nodesDeep(model.graph)) {
    const site = siteOf(node);
    if (site === null) continue;
    const copy = parseSiteName(site.name)?.copy ?? 0;
    places.push({ ref: { layer: site.layer, copy, site: site.site }, name: site.name, site, inner: null });
    const func = model.callee(node);
    if (func === undefined) continue;
    for (const linear of linearsOf(func)) {
      linear.parts.forEach(({ site: kind }, part) => {
        const ref = { layer: site.layer, copy, site: kind };
        places.push({ ref, name: `${site.name}.${kind}`, site, inner: { func, linear, part } });
      });
    }
  }
  return places;
}

/** Places by the site they are: a merged decoder has each twice. */
export function byKey(places: readonly Place[]): ReadonlyMap<string, readonly Place[]> {
  const found = new Map<string, Place[]>();
  for (const place of places)
    found.set(siteKey(place.ref), [...(found.get(siteKey(place.ref)) ?? []), place]);
  return found;
}

/**
 * What an adapter at a place must fit.
 *
 * @throws TfcError SITE_DTYPE where it does not compute in a float type, or in none that is known
 */
export function widthOf({ name, site, inner, step }: Place): Width {
  const own = step === undefined ? dtypeOf(site) : step.dtype;
  const dtype = (inner === null ? null : inner.linear.dtype) ?? own;
  if (dtype === null || !isFloat(dtype)) {
    const found = dtype ?? "a type that neither weights nor value_info tell";
    throw inputError("SITE_DTYPE", placeOf(site.node), { site: name, dtype: found });
  }
  if (step?.width !== undefined) return { ...step.width, dtype };
  if (inner === null) return { inFeatures: site.hiddenSize, outFeatures: site.hiddenSize, dtype };
  const { linear, part } = inner;
  return { inFeatures: linear.inFeatures, outFeatures: linear.parts[part]?.width ?? 0, dtype };
}

function dtypeOf(site: Site): DType | null {
  return site.dtype ?? asTensor(site.output.type)?.dtype ?? asTensor(site.input.type)?.dtype ?? null;
}
