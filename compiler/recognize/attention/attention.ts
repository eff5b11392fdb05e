import { isFloat, type DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import { asTensor, typeText } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { anchorAt, type Anchor } from "./anchor.ts";
import { recognizeCache, type Cache } from "./cache.ts";
import {
  commonSource,
  cutValues,
  differ,
  dtypeThrough,
  isCastBetween,
  sourcesOf,
  type Sources,
} from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import { recognizeHeads, type Heads } from "./heads.ts";
import { has, opOf } from "../../ops/table.ts";
import type { Linear } from "../linear/linear.ts";
import { weightOf } from "../linear/weight.ts";
import { recognizeLatent, type Latent } from "./latent.ts";
import { recognizeMask, type Mask } from "./mask.ts";
import { isMiss, miss, type Miss } from "../miss.ts";
import { opaqueOps } from "./opaque.ts";
import { recognizePacking, type Packing } from "../linear/packing.ts";
import { recognizeRepeatKv, type RepeatKv } from "./repeat-kv.ts";
import { regionBetween, type Region } from "../region.ts";
import { recognizeRotary, type Rotary } from "./rotary.ts";
import { recognizeSinks } from "./sinks.ts";
import { recognizeSoftcap, type Softcap } from "./softcap.ts";
import { recognizeScale, type Scale } from "./scale.ts";

/** An attention block between its cut values. */
export interface Attention {
  readonly kind: "attention";
  readonly anchor: Anchor;
  /** The projections; the same object three times where q, k and v are packed. */
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  /** Where keys and values come from a narrow value: then k and v are the projection up from it. */
  readonly latent: Latent | null;
  readonly region: Region;
  readonly hiddenSize: number;
  /** Element type of the projections. */
  readonly dtype: DType | null;
  readonly outputDtype: DType | null;
  /** Whether the input is cast to that type inside the block. */
  readonly castsInput: boolean;
  readonly heads: Heads | null;
  readonly packing: Packing;
  readonly repeatKv: RepeatKv | null;
  readonly scale: Scale | null;
  readonly softcap: Softcap | null;
  /** A score for each head beside those of the positions, or null. */
  readonly sinks: Value | null;
  readonly mask: Mask;
  readonly rotary: Rotary | null;
  /** Ops between the projections and attention of which nothing is known. */
  readonly opaque: readonly string[];
  readonly cache: Cache | null;
}

/**
 * Understands the attention around a node, if the node is where attention is seen.
 *
 * Finds `x → q,k,v linears → [rotary, cache] → scores → softmax → context → o linear → y`. The region between x and
 * y is what outlining needs; scale, mask, rotary and cache are reported as far as they are understood and are
 * never a reason to refuse.
 */
export function recognizeAttention(node: Node, index: GraphIndex): Attention | Miss | null {
  const anchor = anchorAt(node);
  if (anchor === null || isMiss(anchor)) return anchor;
  const projections = inputProjections(anchor, index);
  if (isMiss(projections)) return projections;
  const { q, k, v, latent } = projections;
  // What reads the block's input.
  const first = latent === null ? [q, k, v] : [latent.queryDown ?? q, latent.down];
  const o = outputProjection(anchor, index);
  if (isMiss(o)) return o;
  const source = commonSource(first.map((linear) => linear.input));
  if (source === null) {
    return miss("ATTENTION_INPUTS_DIFFER", q.node, "q, k and v projections of one value", inputNames(first));
  }
  const hiddenSize = first[0]?.inFeatures ?? q.inFeatures;
  if (o.outFeatures !== hiddenSize) {
    return miss(
      "ATTENTION_WIDTH",
      o.node,
      `an output as wide as the block's input, ${hiddenSize} features`,
      `an output of ${o.outFeatures}: the input is ${o.outFeatures < hiddenSize ? "wider" : "narrower"}`,
    );
  }
  const { input, output } = cutValues(source, o.output);
  const region = regionBetween(input, output, index);
  if (isMiss(region)) return region;
  const cache = recognizeCache(anchor, region, index);
  if (cache !== null && hasFixedPresents(anchor, cache, region)) {
    return fixedCache(anchor.node, cache, region);
  }
  return {
    kind: "attention",
    anchor,
    ...projections,
    o,
    region,
    hiddenSize,
    dtype: o.dtype ?? q.dtype,
    outputDtype: dtypeThrough(output, o.output, o.dtype ?? q.dtype),
    castsInput:
      first.some(({ input: own }) => isCastBetween(own, source)) ||
      differ((latent?.down ?? q).dtype, o.dtype),
    cache,
    ...factsOf(anchor, { ...projections, o }, index),
  };
}

type Facts = Pick<
  Attention,
  "heads" | "scale" | "packing" | "repeatKv" | "softcap" | "sinks" | "mask" | "rotary" | "opaque"
>;

/** What the small recognizers say of attention; none of it is a reason to refuse. */
function factsOf(
  anchor: Anchor,
  linears: Pick<Attention, "q" | "k" | "v" | "o" | "latent">,
  index: GraphIndex,
): Facts {
  const { q, k, v } = linears;
  const heads = headsOf(anchor, linears, index);
  return {
    heads,
    scale: recognizeScale(anchor, heads),
    packing: recognizePacking([q, k, v]),
    repeatKv: recognizeRepeatKv(anchor, heads),
    softcap: recognizeSoftcap(anchor),
    sinks: recognizeSinks(anchor),
    mask: recognizeMask(anchor),
    rotary: recognizeRotary(anchor, index),
    opaque: opaqueOps(anchor, index),
  };
}

function fixedCache(node: Node, { pastKey }: Cache, { input }: Region): Miss {
  // No Cast behind the op and no value_info in the function changes that: what fails is the op's own inference.
  const why = `with both fixed onnxruntime infers the presents of ${node.op} without an element type, and refuses the function that an adapter's block becomes`;
  const found = `a past ${typeText(pastKey?.type)} and an input ${typeText(input.type)}`;
  return miss(
    "ATTENTION_CACHE_FIXED",
    node,
    `a past or a step of open size (export with dynamic axes): ${why}`,
    found,
  );
}

/** Whether onnxruntime would infer the presents' shape and forget their type, were the op inside a function. */
function hasFixedPresents({ op }: Anchor, { pastKey, presentKey }: Cache, { input }: Region): boolean {
  if (op === null || op.infersFixedPresents || presentKey === null) return false;
  const past = asTensor(pastKey?.type)?.shape?.at(2);
  const step = asTensor(input.type)?.shape?.at(1);
  return typeof past === "number" && (step === undefined || typeof step === "number");
}

interface InputProjections {
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly latent: Latent | null;
}

/** With latent attention the width of a head is that of the queries: values have another, keys are put together. */
function headsOf(
  anchor: Anchor,
  projections: InputProjections & { readonly o: Linear },
  index: GraphIndex,
): Heads | null {
  const { q, latent, v, o } = projections;
  if (latent === null) return recognizeHeads(anchor, projections, index);
  const wide = { ...o, inFeatures: q.outFeatures };
  return recognizeHeads({ ...anchor, value: anchor.query }, { q, k: q, v, o: wide }, index);
}

function inputNames(linears: readonly Linear[]): string {
  return [...new Set(linears.map((l) => JSON.stringify(l.input.name ?? "")))].join(", ");
}

function inputProjections(anchor: Anchor, index: GraphIndex): InputProjections | Miss {
  const latent = recognizeLatent(anchor, index);
  if (latent !== null)
    return { q: latent.q, k: latent.latent.up, v: latent.latent.up, latent: latent.latent };
  const found = [];
  for (const role of ["query", "key", "value"] as const) {
    const sources = sourcesOf(anchor[role], index);
    const [linear] = sources.linears;
    if (linear === undefined && role !== "query" && isGiven(sources)) {
      const want = `the ${role} operand computed from the block's input, as in self-attention`;
      return miss("ATTENTION_KEYS_GIVEN", anchor.scores ?? anchor.node, want, sourceText(sources));
    }
    if (linear === undefined || sources.linears.size > 1) {
      const code = {
        query: "ATTENTION_Q_NOT_LINEAR",
        key: "ATTENTION_K_NOT_LINEAR",
        value: "ATTENTION_V_NOT_LINEAR",
      } as const;
      const at = anchor.scores ?? anchor.node;
      return miss(
        code[role],
        at,
        `the ${role} operand computed from one linear projection`,
        sourceText(sources),
      );
    }
    found.push(linear);
  }
  const [q, k, v] = found;
  if (q === undefined || k === undefined || v === undefined) {
    return miss("ATTENTION_Q_NOT_LINEAR", anchor.node, "three operands", `${found.length}`);
  }
  return { q, k, v, latent: null };
}

/** Keys and values that callers give, and nothing else: those of an encoder, kept from step to step. */
function isGiven({ inputs }: Sources): boolean {
  const given = [...inputs].filter(({ type }) => type?.kind !== "tensor" || isFloat(type.dtype));
  return given.length > 0 && given.every(({ isInput }) => isInput);
}

function sourceText(sources: Sources): string {
  const linears = [...sources.linears].map((l) => JSON.stringify(l.output.name ?? ""));
  if (linears.length > 0) return `${linears.length} projections: ${linears.slice(0, 3).join(", ")}`;
  const inputs = [...sources.inputs].map((v) => JSON.stringify(v.name ?? ""));
  return inputs.length === 0 ? "constants only" : `no projection, only ${inputs.slice(0, 3).join(", ")}`;
}

/**
 * Whether a node may stand between the context and the output projection: views, gates, norms in one op or written
 * out. An addition belongs there only where it adds a parameter: any other is that of the residual stream.
 */
function isTowardsOutput(node: Node): boolean {
  if (node.op === "Add") return node.inputs.some((value) => weightOf(value) !== null);
  const { norm } = opOf(node);
  if (norm !== null) return !norm.adds;
  return (
    outputTraits.some((trait) => has(node, trait)) ||
    node.op === "Where" ||
    node.op === "DynamicQuantizeLinear"
  );
}

const outputTraits = ["view", "choose", "elementwise", "reduce"] as const;

function outputProjection(anchor: Anchor, index: GraphIndex): Linear | Miss {
  const seen = new Set<Node>();
  const pending: Value[] = [anchor.context];
  let stop: Node | null = null;
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    for (const node of at.users) {
      const linear = index.linearOf(node);
      if (linear !== null) return linear;
      if (seen.has(node)) continue;
      seen.add(node);
      if (isTowardsOutput(node)) pending.push(...node.outputs);
      else stop ??= node;
    }
  }
  const got = stop === null ? "no reader" : `${stop.op} "${stop.name ?? ""}"`;
  return miss("ATTENTION_OUTPUT_NOT_LINEAR", anchor.node, "the context followed by a linear projection", got);
}
