import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Site } from "../sites/site.ts";
import { typeText } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import type { Attention } from "../recognize/attention/attention.ts";
import { AttentionProver } from "../recognize/attention/exact.ts";
import type { Visibility } from "../recognize/attention/visibility.ts";
import type { Seen } from "../recognize/decoder.ts";
import { refusalOf } from "../recognize/model/describe.ts";
import type { Linear } from "../recognize/linear/linear.ts";
import { isMiss, placeText, type Miss } from "../recognize/miss.ts";
import type { Mlp } from "../recognize/mlp/mlp.ts";
import { moeText } from "../recognize/moe/describe.ts";
import type { Moe } from "../recognize/moe/moe.ts";
import { weightOf } from "../recognize/linear/weight.ts";
import { headNorms, normBehind, type PlacedNorm } from "../recognize/norm/around.ts";
import { normWeight } from "../recognize/norm/weight.ts";
import { recognizeNorm } from "../recognize/norm/norm.ts";
import { knownShapes } from "../recognize/known-shapes.ts";
import { visibilitiesOf } from "../recognize/visibilities.ts";
import { LOWERED_KEY, providers, type Provider } from "../ops/providers.ts";
import { checkGiven, oneOf, type Checks } from "./check-given.ts";
import {
  expertsTexts,
  settledText,
  sharedTexts,
  type ExpertsText,
  type SharedText,
} from "./explain-lowered.ts";
import { countsText, LoweredOps, type Lowered } from "./lowered-ops.ts";
import { openDecoder, type OpenedDecoder } from "./open-decoder.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";

/**
 * Says for each block what every recognizer found, value by value, and for a missed one why.
 *
 * @param file an .onnx file
 * @throws TfcError FILE_NOT_FOUND, FILE_NOT_ONNX, and others of a model that cannot be read; OPTION_UNKNOWN,
 * OPTION_OUT_OF_RANGE
 */
export function explain(file: string, options: ExplainOptions = {}): ExplainReport {
  checkGiven(options, checks, "explain", []);
  // What `for` is to make of a base that was outlined, it makes of what is inside its blocks.
  const isBase = (model: Model): boolean => options.for !== undefined && settledText(model) === null;
  const decoder = openDecoder(file, undefined, isBase);
  const refusal = refusalOf(decoder.model, decoder.view);
  const blocks = explanations(decoder, options.for ?? null);
  const lowered = new LoweredOps(decoder.model).ofModel();
  return { lowered, blocks, refusal, diagnostics: decoder.diagnostics };
}

/** What to say of a model beside what is found in it. */
export interface ExplainOptions {
  /** The execution provider to say of what `kv: shared` makes of attention. */
  readonly for?: Provider;
}

const checks: Checks<ExplainOptions> = { for: oneOf(providers) };

/** What {@link explain} finds. */
export interface ExplainReport {
  /** What `for` has made of the model already; null where it was not lowered. */
  readonly lowered: Lowered | null;
  /** Attention and MLP of each layer, in the graph's order. */
  readonly blocks: readonly Explanation[];
  /** What the graph looks like, where it is no Llama-family decoder; else null. */
  readonly refusal: string | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** What is said of one block: facts by name, in the order they were found. */
export interface Explanation {
  /** Counted from 0. */
  readonly layer: number;
  readonly block: "attention" | "mlp";
  readonly understood: boolean;
  /** `heads: "4 heads, 2 kv heads, 32 wide"`; for a missed block `missed`, `at`, `wanted` and `found`. */
  readonly facts: Readonly<Record<string, string>>;
}

/** What is said of each block that was seen, in the order of `view.seen`. */
export function explanations({ view, model }: OpenedDecoder, provider: Provider | null): Explanation[] {
  const prover = new AttentionProver(knownShapes(view));
  const shared = provider === null ? null : sharedTexts(view, model, provider, prover);
  const experts = provider === null ? null : expertsTexts(view, provider);
  const written = model.meta.has(LOWERED_KEY) ? new LoweredOps(model) : null;
  const settled = provider === null ? null : settledText(model);
  const proofs = { visibilities: visibilitiesOf(view), prover, shared, settled, experts, written };
  return view.seen.map(({ layer, block, at, answer }) => ({
    layer,
    block,
    understood: !isMiss(answer),
    facts: factsOf(at, answer, proofs),
  }));
}

/** What is proved of attention beside what is recognized. */
interface Proofs {
  readonly visibilities: ReturnType<typeof visibilitiesOf>;
  readonly prover: AttentionProver;
  readonly shared: SharedText | null;
  /** What there is to say of outlined attention, whose caches are what they are; null where nobody asks, or nothing is. */
  readonly settled: string | null;
  readonly experts: ExpertsText | null;
  /** Null where the model was not lowered. */
  readonly written: LoweredOps | null;
}

function factsOf(at: Node, answer: Seen["answer"], proofs: Proofs): Readonly<Record<string, string>> {
  if (isMiss(answer)) return missFacts(at, answer);
  if (answer.kind === "site") return siteFacts(answer, proofs);
  if (answer.kind === "moe") return moeFacts(answer, proofs);
  return answer.kind === "attention" ? attentionFacts(answer, proofs) : mlpFacts(answer);
}

function missFacts(at: Node, miss: Miss): Readonly<Record<string, string>> {
  return {
    anchor: placeText(at),
    missed: `${miss.code}, in the ${miss.stage} of the block`,
    at: placeText(miss.at),
    wanted: miss.want,
    found: miss.got,
  };
}

function siteFacts(site: Site, { written, settled }: Proofs): Readonly<Record<string, string>> {
  const counts = written?.ofNode(site.node) ?? {};
  return {
    outlined: `${site.name}, a call of ${site.node.op}`,
    ...(Object.keys(counts).length === 0 ? {} : { "lowered to": countsText(counts) }),
    ...(settled === null || site.site !== "attn" ? {} : { "with a shared cache": settled }),
  };
}

function attentionFacts(
  block: Attention,
  { visibilities, prover, shared }: Proofs,
): Readonly<Record<string, string>> {
  const { anchor, heads, scale, softcap, mask, rotary, cache } = block;
  const visibility = visibilities.get(block);
  return {
    anchor: placeText(anchor.node),
    ...cutFacts(block),
    ...projectionFacts(block),
    o: linearText(block.o),
    ...loraFacts([block.q, block.k, block.v, block.o]),
    ...headNormFacts(block),
    heads:
      heads === null
        ? "not understood: no attribute, type or Reshape tells the width of a head"
        : `${heads.heads} heads, ${heads.kvHeads} kv heads, ${heads.headDim} wide`,
    packing: block.packing,
    "repeat kv":
      block.repeatKv === null
        ? "not understood"
        : `${block.repeatKv.kind}${block.repeatKv.factor === 1 ? "" : `, ${block.repeatKv.factor} query heads to one`}`,
    scale:
      scale === null
        ? "not understood: it is neither constant nor computed from the head's width"
        : `${scale.value} on the ${scale.at}`,
    ...(softcap === null ? {} : { "soft cap": String(softcap.bound ?? "not constant") }),
    ...(block.sinks === null ? {} : { sinks: valueText(block.sinks) }),
    mask:
      mask.kind === "none"
        ? "none"
        : `${mask.kind}${mask.source === null ? "" : `, from ${valueText(mask.source)}`}`,
    ...(visibility === undefined ? {} : { sees: visibilityText(visibility) }),
    "as one op": loweredText(block, prover),
    ...(shared === null ? {} : { "with a shared cache": shared(block, visibility) }),
    rotary:
      rotary === null
        ? block.opaque.length > 0
          ? `not understood: ${block.opaque.join(", ")} is not known to tfc`
          : "none, or not understood"
        : `${rotary.kind}${rotary.interleaved ? ", of neighbours" : ""}${rotary.partial ? ", of a part of each head" : ""}, cos ${valueText(rotary.cos)}, sin ${valueText(rotary.sin)}`,
    cache:
      cache === null
        ? "none"
        : `${cache.kind}, ${valueText(cache.pastKey)} to ${valueText(cache.presentKey)}, ${valueText(cache.pastValue)} to ${valueText(cache.presentValue)}`,
  };
}

/** What `for` makes of attention in plain ops. */
function loweredText({ anchor }: Attention, prover: AttentionProver): string {
  if (anchor.kind === "op") return `it is: ${anchor.node.op}`;
  const exact = prover.prove(anchor);
  if ("why" in exact) return `not proved: ${exact.why}`;
  if (exact.sinks !== null) return "no: Attention takes no sinks; GroupQueryAttention does (kv: shared)";
  return `Attention, of keys ${valueText(exact.key)} and values ${valueText(exact.value)}`;
}

/** Which positions a query attends to, in words. */
function visibilityText({ causal, window, padding, unproved }: Visibility): string {
  const proved = [
    ...(causal ? ["no later positions"] : []),
    ...(window === null ? [] : [`${window} positions back, its own included`]),
    ...(padding === null ? [] : [`where ${valueText(padding)} is not zero`]),
  ];
  if (unproved === null) return proved.length === 0 ? "all positions" : proved.join(", ");
  return [...proved, `the rest is not proved: it depends on ${unproved}`].join(", ");
}

function projectionFacts({ q, k, v, latent }: Attention): Readonly<Record<string, string>> {
  if (latent !== null) {
    return {
      ...(latent.queryDown === null ? {} : { "q down": linearText(latent.queryDown) }),
      q: linearText(q),
      "kv down": linearText(latent.down),
      "k and v": `${linearText(latent.up)}${latent.isCached ? ", of the cache and what is new" : ""}`,
    };
  }
  if (q === k) return { qkv: linearText(q) };
  return { q: linearText(q), k: linearText(k), v: linearText(v) };
}

function mlpFacts(block: Mlp): Readonly<Record<string, string>> {
  const inputs = block.inputs.map((linear, i) => [
    block.inputs.length === 1 ? "in" : `in ${i}`,
    linearText(linear),
  ]);
  return {
    anchor: placeText(block.anchor),
    ...cutFacts(block),
    ...(Object.fromEntries(inputs) as Record<string, string>),
    packing: block.packing,
    activation: `${block.activation}${block.gated ? ", gated" : ""}`,
    down: linearText(block.down),
    ...loraFacts([...block.inputs, block.down]),
  };
}

function moeFacts(block: Moe, { experts }: Proofs): Readonly<Record<string, string>> {
  const { router, shared } = block;
  const written = experts?.(block) ?? null;
  const beside = shared.map(({ mlp }, i) => [
    shared.length === 1 ? "shared" : `shared ${i}`,
    `${mlp.activation}, ${mlp.intermediateSize} wide, down ${linearText(mlp.down)}`,
  ]);
  return {
    anchor: placeText(block.anchor),
    ...cutFacts(block),
    moe: moeText(block),
    router: linearText(router.linear),
    ...(written === null ? {} : { "experts are multiplied": written }),
    ...(Object.fromEntries(beside) as Record<string, string>),
  };
}

function cutFacts({ region }: Attention | Mlp | Moe): Readonly<Record<string, string>> {
  const norm = recognizeNorm(region.input);
  const behind = normBehind(region);
  return {
    input: valueText(region.input),
    norm: norm === null ? "none, or not understood" : `${norm.kind}, ${placeText(norm.node)}`,
    output: valueText(region.output),
    ...(behind === null ? {} : { "norm behind": normText(behind) }),
    nodes: String(region.nodes.length),
  };
}

/** Nothing where the graph adds no LoRA to the block's linears. */
function loraFacts(linears: readonly Linear[]): Readonly<Record<string, string>> {
  const isThere = linears.some(({ loras }) => loras.length > 0);
  return isThere ? { lora: "written out in the graph: `tfc adapter extract` takes it out" } : {};
}

function headNormFacts(block: Attention): Readonly<Record<string, string>> {
  const { q, k } = headNorms(block);
  return {
    ...(q === null ? {} : { "q norm": normText(q) }),
    ...(k === null ? {} : { "k norm": normText(k) }),
  };
}

function normText({ norm, output }: PlacedNorm): string {
  const place = normWeight(output);
  const weight = place === null ? null : weightOf(place.reader.input(place.index));
  return `${norm.kind}, ${weight === null ? "its weight not found" : `by ${valueText(weight.root)}`}`;
}

function linearText(linear: Linear): string {
  const bias = linear.bias === null ? "" : ", with bias";
  const loras = linear.loras.map(
    ({ rank, scale, a, b }) =>
      `, plus LoRA of rank ${rank ?? "unknown"} times ${Number(scale.toPrecision(6))}, A ${valueText(a.matrix)}, B ${valueText(b.matrix)}`,
  );
  return `${linear.inFeatures} to ${linear.outFeatures}${bias}, ${linear.node.op} by ${valueText(linear.weight)}${loras.join("")}`;
}

function valueText(value: Value | null): string {
  if (value === null) return "nothing";
  const type = value.type === undefined ? "" : ` ${typeText(value.type)}`;
  return `${JSON.stringify(value.name ?? "")}${type}`;
}
