import { placesIn, type Found } from "../pass/place-walker.ts";
import type { Visitor } from "../pass/visitor.ts";
import { placesOf, type ModulePlace, type ProjectionPlace } from "./places.ts";

/** What outlining made: calls of functions, and what is marked inside those. */
export interface ModuleEvents {
  /** A block's call, entered before its projections and left after them. */
  readonly module: readonly [place: ModulePlace];
  /** A projection in the function of a block: one part of a linear. */
  readonly projection: readonly [place: ProjectionPlace];
}

/** What a pass does at outlined modules. */
export type ModuleVisitor = Visitor<ModuleEvents>;

/** A walk of the outlined modules of a model, in its main graph and those inside it. */
export const modules = placesIn<ModuleEvents>({
  events: ["module", "projection"],
  find: (model) => {
    const found: {
      readonly event: "module";
      readonly at: [ModulePlace];
      readonly inside: Found<ModuleEvents>[];
    }[] = [];
    for (const place of placesOf(model)) {
      if (place.inner === null) found.push({ event: "module", at: [place], inside: [] });
      else found.at(-1)?.inside.push({ event: "projection", at: [place] });
    }
    return found;
  },
});
