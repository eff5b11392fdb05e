import { outlined } from "../../compiler/sites/invariants.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import { Outlining } from "./_outlining.ts";

/**
 * Turns the norms in front of outlined blocks, and the one in front of the head, into calls.
 *
 * Before: `Pow, ReduceMean, Add, Sqrt, Reciprocal, Mul, Mul`, seven nodes a norm.
 * After: `x = tfc.Norm (residual, weight)`, one function for all norms of equal structure.
 *
 * Only makes a printed layer readable: nothing is computed otherwise. Leaves alone norms that are one op already,
 * and what is not recognized as a norm.
 */
export const outlineNorms: Pass<object, BlockVisitor> = {
  name: "outline-norms",
  summary: "turn each norm that is written out in plain ops into a call of a model-local function",
  options: {},
  stats: ["norms", "functions"],
  requires: [outlined],
  walk: blocks,
  visitor: (context) => {
    const outlining = new Outlining(context, "Norm");
    return {
      norm: {
        enter: (place) => {
          const { region, name } = place;
          if (region === null) return;
          const roles = rolesOf(region.nodes.flatMap((node) => node.inputs));
          outlining.note(place, { region, name, site: null, roles, marks: new Map() });
        },
        exit: (place) => {
          outlining.leave(place, "norms");
        },
      },
    };
  },
};

/** The parameter that is more than a scalar is the norm's weight. */
function rolesOf(inputs: readonly (Value | null)[]): ReadonlyMap<Value, string> {
  const roles = new Map<Value, string>();
  for (const value of inputs)
    if (value !== null && (value.constant?.size ?? 1) > 1) roles.set(value, "weight");
  return roles;
}
