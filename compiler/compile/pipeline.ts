import { groupsExperts, passes } from "../../passes/index.ts";
import { step, type Step } from "../pass/runner.ts";
import type { WeightTensor } from "../weights/weight.ts";
import { hasAdapters, type Plan } from "./plan.ts";

/** When a pass of the registry runs, and with what. */
interface Row {
  /** Before the decoder is recognized, to make the graph plain enough for it, or behind that. */
  readonly part: "before" | "behind";
  /** Whether a plan needs it, and what plans that do ask for. */
  readonly when?: (plan: Plan) => boolean;
  readonly needs?: string;
  readonly options?: (plan: Plan) => object;
}

/** Lowering runs for a provider. */
const lowering: Pick<Row, "when" | "needs"> = { when: ({ provider }) => provider !== null, needs: "`for`" };

/** What trains is made of whole sequences. */
const training: Pick<Row, "when" | "needs"> = { when: ({ train }) => train !== null, needs: "`train`" };

function sitesOf(entries: Plan["replace"]): Plan["replace"][number]["sites"] {
  return entries.flatMap(({ sites }) => sites);
}

/** Whether a plan asks for more than what adapters need: they stand beside calls, and inside the functions of these. */
function rewritesBlocks(plan: Plan): boolean {
  const { provider, dtype, quantize, batch, lastLogits, override, train, unpadded } = plan;
  const asked = [provider, dtype, quantize, batch, lastLogits, override, train];
  return (
    plan.pack || unpadded || plan.decodeLoop || plan.lowerPagedAttention || asked.some((one) => one !== null)
  );
}

/** The pipeline of `compile`: a row for each pass of the registry, whose order is the order in which they run. */
const rows: Readonly<Record<string, Row>> = {
  // A base that was compiled before, without adapters, has its blocks in functions: what rewrites blocks wants them plain.
  "inline-functions": { part: "before", options: (plan) => ({ made: rewritesBlocks(plan) }) },
  "fold-conditions": { part: "before" },
  "whole-sequences": { part: "before", ...training },
  "lower-paged-attention": {
    part: "before",
    when: ({ lowerPagedAttention }) => lowerPagedAttention,
    needs: "`lowerPagedAttention`",
  },
  "remove-lora": {
    part: "before",
    when: () => false,
    needs: "a run of `tfc adapter extract`",
  },
  "fix-batch": {
    part: "behind",
    when: ({ batch }) => batch !== null,
    needs: "`batch`",
    options: ({ batch }) => (batch === null ? {} : { batch }),
  },
  "drop-padding": {
    part: "behind",
    when: ({ unpadded }) => unpadded,
    needs: "`unpadded`",
    options: ({ target }) => ({ provider: target }),
  },
  "override-weights": {
    part: "behind",
    when: ({ override }) => override !== null,
    needs: "a `load` that brings weights of the base",
    options: ({ override }) => ({
      overrides: {
        file: override?.file ?? "",
        weights: override?.overrides ?? new Map<string, WeightTensor>(),
        headFollows: override?.headFollows ?? true,
      },
    }),
  },
  "convert-dtype": {
    part: "behind",
    when: ({ dtype }) => dtype !== null,
    needs: "`dtype`",
    options: ({ dtype, ioDtype, target, train }) => ({
      ...{ dtype: dtype ?? "float16", ioDtype },
      // What trains in bfloat16 runs on CUDA alone.
      provider: target ?? (train !== null && dtype === "bfloat16" ? "cuda" : null),
    }),
  },
  "group-experts": {
    part: "behind",
    when: ({ provider, target, quantize, train }) =>
      train !== null || ((provider ?? quantize) !== null && groupsExperts(target)),
    needs: "`for: cpu`, `quantize` or `train`",
    options: ({ quantize }) => ({ divides: quantize !== null }),
  },
  "pack-projections": {
    part: "behind",
    when: ({ pack }) => pack,
    needs: "`pack`",
    options: ({ replace }) => ({ except: sitesOf(replace) }),
  },
  "quantize-weights": {
    part: "behind",
    when: ({ quantize }) => quantize !== null,
    needs: "`quantize`",
    options: ({ quantize, target }) => ({
      ...(quantize === null ? {} : { settings: quantize }),
      provider: target,
    }),
  },
  "lower-rotary": {
    part: "behind",
    ...lowering,
    options: ({ provider, positions }) => ({
      ...(provider === null ? {} : { provider }),
      ...(positions === null ? {} : { positions }),
    }),
  },
  "lower-attention": {
    part: "behind",
    ...lowering,
    options: ({ provider, kv, maxLength }) => ({
      ...(provider === null ? {} : { provider }),
      kv,
      ...(maxLength === null ? {} : { maxLength }),
    }),
  },
  "lower-norms": { part: "behind", ...lowering },
  "lower-skip-norms": { part: "behind", ...lowering },
  "hoist-shapes": {
    part: "behind",
    when: ({ provider, train }) => provider !== null || train !== null,
    needs: "`for` or `train`",
  },
  "last-logits": {
    part: "behind",
    when: ({ lastLogits, decodeLoop }) => lastLogits !== null || decodeLoop,
    needs: "`lastLogits`",
    // A loop looks at the last position only, whoever asks.
    options: ({ lastLogits, decodeLoop }) =>
      decodeLoop ? { by: "last" } : lastLogits === null ? {} : { by: lastLogits },
  },
  "train-base": {
    part: "behind",
    when: ({ train }) => (train?.base ?? null) !== null,
    needs: "`train` with `base`",
    options: ({ train, seed, replace }) =>
      train?.base == null
        ? {}
        : { weights: train.base, except: sitesOf(replace), fresh: train.fromScratch, seed },
  },
  "outline-attention": { part: "behind" },
  "outline-mlp": { part: "behind" },
  "outline-moe": { part: "behind" },
  "outline-norms": { part: "behind" },
  "replace-linears": {
    part: "behind",
    when: ({ replace }) => replace.length > 0,
    needs: "`replace`",
    options: ({ replace, seed, replacing, train }) => ({
      ...{ entries: replace, seed, given: replacing },
      trains: train !== null,
    }),
  },
  "inject-adapters": {
    part: "behind",
    when: hasAdapters,
    needs: "adapters",
    options: ({ entries, seed, residence, members, beside, train }) => ({
      entries,
      seed,
      residence,
      members,
      given: beside,
      trains: train !== null,
    }),
  },
  "drop-inputs": {
    part: "behind",
    when: ({ train }) => train !== null && train.dropout > 0,
    needs: "`train` with `dropout`",
    options: ({ train }) => ({ share: train?.dropout ?? 0 }),
  },
  "token-loss": {
    part: "behind",
    ...training,
    options: ({ train }) => ({ gradients: train?.emit !== "loss" }),
  },
  differentiate: {
    part: "behind",
    when: ({ train }) => train !== null && train.emit !== "loss",
    needs: "`train` that emits `update` or `grads`",
    options: ({ train }) => ({ memory: train?.memory ?? "by-size" }),
  },
  adamw: {
    part: "behind",
    when: ({ train }) => train?.emit === "update",
    needs: "`train` that emits `update`",
    options: ({ train }) => ({ accumulate: train?.accumulate === true }),
  },
  "decode-loop": { part: "behind", when: ({ decodeLoop }) => decodeLoop, needs: "`decodeLoop`" },
};

/** The steps of one part of the pipeline that a plan needs. */
export function pipelineOf(plan: Plan, part: Row["part"]): readonly Step[] {
  return passes.flatMap((pass) => {
    const row = rowOf(pass.name);
    if (row.part !== part || row.when?.(plan) === false) return [];
    return [step(pass, row.options?.(plan) ?? {})];
  });
}

/** What a plan lacks for a pass to run; null for one that runs. */
export function lackedBy(plan: Plan, pass: string): string | null {
  const { when, needs } = rowOf(pass);
  return when?.(plan) === false ? (needs ?? "a reason to run it") : null;
}

function rowOf(pass: string): Row {
  const row = rows[pass];
  if (row === undefined) throw new Error(`the pipeline has no row for ${pass}`);
  return row;
}
