import { siteOf } from "./site.ts";
import { nodesDeep } from "../ir/walk.ts";
import type { Invariant } from "../pass/pass.ts";

/** Some block is a call that is marked as a site. */
export const outlined: Invariant = {
  name: "outlined (it has a block that is a call of a function)",
  holds: (model) => [...nodesDeep(model.graph)].some((node) => siteOf(node) !== null),
};
