import type { Value } from "../../compiler/ir/value.ts";
import { stepsAround } from "../../compiler/recognize/norm/beside-mlp.ts";
import { siteName } from "../../compiler/sites/names.ts";
import type { Place, StepPlace } from "../../compiler/sites/places.ts";
import type { Site } from "../../compiler/sites/site.ts";

/** The steps around the MLPs among a model's places, by the MLP, in the order of the data. */
export function stepPlaces(places: readonly Place[]): ReadonlyMap<Site, readonly StepPlace[]> {
  const blocks = places.filter(({ inner }) => inner === null);
  const readers = new Map<Value, number>();
  for (const { site } of blocks) readers.set(site.input, (readers.get(site.input) ?? 0) + 1);
  const found = new Map<Site, readonly StepPlace[]>();
  for (const { ref, name, site } of blocks) {
    if (ref.site !== "mlp") continue;
    // `model.layers.3` of `model.layers.3.mlp`
    const layers = name.split(".").slice(0, -2).join(".");
    // Parallel blocks read one norm, which is named for attention.
    const sharesInput = readers.get(site.input) !== 1;
    const steps = stepsAround(site, sharesInput).map(({ kind, ...step }): StepPlace => {
      const own = { ...ref, site: kind };
      return { ref: own, name: siteName(own, layers), site, inner: null, step };
    });
    found.set(site, steps);
  }
  return found;
}
