import type { Described } from "../../compiler/adapters/description.ts";
import type { AdapterKind, Leaf } from "../../compiler/adapters/kind.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Sink } from "../../compiler/diagnostics/sink.ts";
import { siteKey } from "../../compiler/sites/names.ts";
import { widthOf, type Place, type Width } from "../../compiler/sites/places.ts";
import { coefficientsIn } from "../../compiler/weights/coefficients.ts";
import { baseWeightAt, type Asking, type BaseWeight } from "./_base-weight.ts";
import { assign, type Assigning, type Assignment, type Member } from "./_assign.ts";

/** One adapter at a place that it fits. */
export interface Fitted {
  readonly member: Member;
  readonly leaves: readonly Leaf[];
  /** Numbers beside the leaves, by name. */
  readonly coefficients: ReadonlyMap<string, number>;
}

/** A place with what is put there. */
export interface Placed<P extends Place = Place> {
  readonly place: P;
  readonly width: Width;
  readonly kind: AdapterKind;
  /** Those of some member: all agree in what the function depends on. */
  readonly settings: object;
  /** One, or those of a bank; null for one that has nothing at this place. */
  readonly members: readonly (Fitted | null)[];
  /** The projection's own weight, where the function reads the projection. */
  readonly base: BaseWeight | null;
}

/** What is put where in a model. */
export class AdapterPlan {
  /** In the order of the places. */
  readonly placed: readonly Placed[];
  readonly #byPlace: ReadonlyMap<Place, Placed>;

  constructor(placed: readonly Placed[]) {
    this.placed = placed;
    this.#byPlace = new Map(placed.map((one) => [one.place, one]));
  }

  /** What is put where, as a compiled model says it of itself. */
  get parts(): readonly Described[] {
    return this.placed.map(({ place, kind, settings }) => ({ site: place.name, kind: kind.name, settings }));
  }

  /** What is put at a place, the very object that was planned for; null for nothing. */
  at<P extends Place>(place: P): Placed<P> | null {
    const found = this.#byPlace.get(place);
    return found === undefined ? null : { ...found, place };
  }
}

/**
 * Chooses what is put where, and checks that it fits.
 *
 * This is done for all places at once: a checkpoint or a selector names many, and whether each has its place shows only
 * when all are known. It changes nothing, and nothing is refused after it: an error leaves the model as it was.
 *
 * @throws TfcError where something that was asked for has no place; SITE_DTYPE; ADAPTER_LEAF_MISSING;
 *   ADAPTER_LEAF_SHAPE; ADAPTER_FACTOR_TOO_LARGE; DORA_REFUSED
 */
export function planAdapters(places: readonly Place[], options: Assigning, sink: Sink): AdapterPlan {
  const assigned = assign(places, options, sink);
  const placed = places.flatMap((place) => {
    const assignment = assigned.get(siteKey(place.ref));
    return assignment === undefined ? [] : [fit(place, assignment, options)];
  });
  return new AdapterPlan(placed);
}

function fit(place: Place, { kind, settings, members }: Assignment, asking: Asking): Placed {
  const width = widthOf(place);
  const fitted = members.map((member) => {
    if (member === null) return null;
    const leaves = leavesOf(kind, width, member, place.name);
    const where = { ...(member.given && { file: member.given.file }), name: place.name };
    return { member, leaves, coefficients: coefficientsIn(width.dtype, kind, member.settings, where) };
  });
  const base = kind.readsProjection(settings) ? baseWeightAt(place, asking) : null;
  return { place, width, kind, settings, members: fitted, base };
}

/** The leaves that a member has at a place; given ones must be there, in these shapes. */
function leavesOf(
  kind: AdapterKind,
  width: Width,
  { settings, given }: Member,
  place: string,
): readonly Leaf[] {
  const leaves = kind.leaves(width, settings);
  if (given === null) return leaves;
  for (const { name, shape } of leaves) {
    const found = given.part.leaves.get(name);
    const leaf = { file: given.file, name: `${place}.${name}` };
    if (found === undefined)
      throw inputError("ADAPTER_LEAF_MISSING", leaf, { kind: kind.name, missing: [name] });
    if (found.shape.join() !== shape.join()) {
      throw inputError("ADAPTER_LEAF_SHAPE", leaf, { wanted: shape.join(), found: found.shape.join() });
    }
  }
  return leaves;
}
