import { passes } from "../../passes/index.ts";
import { step, type Step } from "../pass/runner.ts";
import type { WeightTensor } from "../weights/weight.ts";
import { hasAdapters, type Plan } from "./plan.ts";

/** When a pass of the registry runs, and with what. */
interface Row {
  /** Before the decoder is recognized, to make the graph plain enough for it, or behind that. */
  readonly part: "before" | "behind";
  readonly when?: (plan: Plan) => boolean;
  readonly options?: (plan: Plan) => object;
}

/** The pipeline of `compile`: a row for each pass of the registry, whose order is the order in which they run. */
const rows: Readonly<Record<string, Row>> = {
  "inline-functions": { part: "before" },
  "fold-conditions": { part: "before" },
  "lower-paged-attention": { part: "before", when: ({ lowerPagedAttention }) => lowerPagedAttention },
  "override-weights": {
    part: "behind",
    when: ({ override }) => override !== null,
    options: ({ override }) => ({
      overrides: {
        file: override?.file ?? "",
        weights: override?.overrides ?? new Map<string, WeightTensor>(),
        headFollows: override?.headFollows ?? true,
      },
    }),
  },
  "outline-attention": { part: "behind" },
  "outline-mlp": { part: "behind" },
  "outline-moe": { part: "behind" },
  "outline-norms": { part: "behind" },
  "replace-linears": {
    part: "behind",
    when: ({ replace }) => replace.length > 0,
    options: ({ replace, seed, replacing }) => ({ entries: replace, seed, given: replacing }),
  },
  "inject-adapters": {
    part: "behind",
    when: hasAdapters,
    options: ({ entries, seed, residence, members, beside }) => ({
      entries,
      seed,
      residence,
      members,
      given: beside,
    }),
  },
};

/** The steps of one part of the pipeline that a plan needs. */
export function pipelineOf(plan: Plan, part: Row["part"]): readonly Step[] {
  return passes.flatMap((pass) => {
    const row = rows[pass.name];
    if (row === undefined) throw new Error(`the pipeline has no row for ${pass.name}`);
    if (row.part !== part || row.when?.(plan) === false) return [];
    return [step(pass, row.options?.(plan) ?? {})];
  });
}
