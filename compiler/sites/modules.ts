import type { Func } from "../ir/model.ts";
import { placesIn, type Found } from "../pass/place-walker.ts";
import type { Visitor } from "../pass/visitor.ts";
import { placesOf, type ModulePlace, type ProjectionPlace } from "./places.ts";

/** The function that calls of blocks are of. What is written into it is there for all who call it. */
export interface Body {
  readonly func: Func;
  /** Those of blocks, in the order of the graph. */
  readonly calls: readonly ModulePlace[];
}

/** What outlining made: calls of functions, and what is marked inside those. */
export interface ModuleEvents {
  /** A block's call, entered before its projections and left after them. */
  readonly module: readonly [place: ModulePlace];
  /** A projection as a block's call has it: one part of a linear in the call's function. */
  readonly projection: readonly [place: ProjectionPlace];
  /** A function that blocks share, behind all modules. */
  readonly body: readonly [body: Body];
}

/** What a pass does at outlined modules. */
export type ModuleVisitor = Visitor<ModuleEvents>;

/** A walk of the outlined modules of a model, in its main graph and those inside it. */
export const modules = placesIn<ModuleEvents>({
  events: ["module", "projection", "body"],
  find: (model, analysis) => {
    const places = analysis(placesOf);
    const bodies = new Map<Func, ModulePlace[]>();
    for (const place of places) {
      const func = place.inner === null ? model.callee(place.site.node) : undefined;
      if (place.inner !== null || func === undefined) continue;
      const known = bodies.get(func) ?? [];
      bodies.set(func, known);
      known.push(place);
    }
    const ofBodies = [...bodies].map(([func, calls]): Found<ModuleEvents> => ({
      event: "body",
      at: [{ func, calls }],
    }));
    return [...nested(places), ...ofBodies];
  },
});

/** Projections inside the modules in front of them. */
function nested(places: readonly (ModulePlace | ProjectionPlace)[]): readonly Found<ModuleEvents>[] {
  const found: { readonly place: ModulePlace; readonly inside: ProjectionPlace[] }[] = [];
  for (const place of places) {
    if (place.inner === null) found.push({ place, inside: [] });
    else found.at(-1)?.inside.push(place);
  }
  return found.map(({ place, inside }) => ({
    event: "module",
    at: [place],
    inside: inside.map((one) => ({ event: "projection", at: [one] })),
  }));
}
