import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { asTensor } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import {
  attentionKernels,
  obstacleIn,
  whyUnshared,
  type AttentionKernel,
  type AttentionNeeds,
} from "../../../compiler/ops/attention-kernels.ts";
import { elementTypeOf } from "../../../compiler/ops/element-type.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import type { Attention } from "../../../compiler/recognize/attention/attention.ts";
import type { ExactAttention, ExactMask, Inexact } from "../../../compiler/recognize/attention/exact.ts";
import { grownCache, type GrownCache } from "../../../compiler/recognize/attention/grown.ts";
import type { Visibility } from "../../../compiler/recognize/attention/visibility.ts";
import type { CountedRotary } from "../../../compiler/recognize/attention/rotary-inside.ts";
import type { LastRotaries } from "../../../compiler/recognize/attention/rotary-last.ts";
import type { Shapes, Sizes } from "../../../compiler/recognize/symbolic/shapes.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import type { GroupedQueryForm } from "./_grouped-query.ts";
import { otherType } from "../_other-type.ts";
import { innerRotary, turnOf } from "./_inner-rotary.ts";
import type { CountedInputs } from "./_shared-caches.ts";

/** An attention whose cache can be one buffer, and how it is written then. */
export interface SharedAttention {
  readonly exact: ExactAttention;
  /** Those that are attention now. */
  readonly nodes: ReadonlySet<Node>;
  readonly form: GroupedQueryForm;
  readonly mask: ExactMask;
  readonly dtype: DType;
  /** Whether the mask has the sizes of the scores, and need not be expanded. */
  readonly isMaskWide: boolean;
  readonly key: GrownCache;
  readonly value: GrownCache;
  readonly inputs: CountedInputs;
  /** What turns queries and keys inside the op; why it stays outside; null where nothing turns them last. */
  readonly rotary: CountedRotary | Inexact | null;
  /** Whether callers can ask for what the op refuses: several rows of several new tokens. */
  readonly isOpen: boolean;
}

/** What is known of a graph beside one attention. */
export interface Known {
  readonly graph: Graph;
  readonly shapes: Shapes;
  readonly provider: Provider;
  readonly rotaries: LastRotaries;
  /** Positions in a cache; null where that is not decided. */
  readonly length: number | null;
  /** The mask of a graph without padding, of which only the width is read; null of any other graph. */
  readonly openMask: Value | null;
}

const LATENT =
  "its cache holds what keys and values are projected from, anew for all positions in each step (a latent), and no attention op writes into such a cache";

/** Why an attention cannot be written so. */
export interface Unshared extends Inexact {
  /** Where it is an op that the exporter chose, or where only its type is in the way. */
  readonly cause?: "op" | "type";
  /** Where its type is, what to do that it is not: an instruction. */
  readonly remedy?: string;
}

/** How an attention can be written with a cache that is one buffer; or why it cannot. */
export function sharedAttention(
  block: Attention,
  exact: ExactAttention,
  seen: Visibility,
  known: Known,
): SharedAttention | Unshared {
  const { shapes, provider } = known;
  if (block.anchor.node.graph !== known.graph) return { why: "it is in a graph inside another one" };
  if (block.latent?.isCached === true) return { why: LATENT };
  const [key, value] = [grownCache(exact.key), grownCache(exact.value)];
  if ("why" in key) return key;
  if ("why" in value) return value;
  const { mask } = exact;
  if (mask === null) return { why: "it has no mask, so that nothing tells how many tokens there are" };
  const sizes = { query: shapes.of(exact.query), key: shapes.of(exact.key), value: shapes.of(exact.value) };
  const [heads, kvHeads] = [sizes.query?.[1]?.constant ?? null, sizes.key?.[1]?.constant ?? null];
  const [width, valueWidth] = [sizes.query?.[3]?.constant ?? null, sizes.value?.[3]?.constant ?? null];
  const dtype = elementTypeOf(exact.query) ?? block.dtype;
  const kernel = attentionKernels.find((one) => one.provider === provider && one.sharesBuffer);
  if (kernel === undefined) return { why: whyUnshared(provider) };
  const hasMask = seen.padding !== null || seen.unproved !== null || !seen.causal;
  const needs = { dtype, width, valueWidth, hasMask, hasSinks: exact.sinks !== null };
  const obstacle = obstacleIn(kernel, needs);
  if (obstacle !== null) return { why: obstacle, ...conversionFor(kernel, needs) };
  if (heads === null || kvHeads === null || width === null || dtype === null)
    return { why: "how many heads it has, how wide and of which type is not known" };
  const inputs = countedInputs(known, sizes.query, seen);
  if ("why" in inputs) return inputs;
  if (elementTypeOf(mask.value) !== dtype && mask.kind === "add" && seen.unproved !== null)
    return { why: `its mask is of another type, and not proved to hide or show alone: ${seen.unproved}` };
  const rotary = innerRotary({ block, exact, key, inputs, dtype, width }, kernel, known);
  return {
    ...{ exact, mask, dtype, key, value, inputs, rotary },
    nodes: new Set(block.region.nodes),
    form: {
      ...{ heads, kvHeads, width, scale: exact.scale, softcap: exact.softcap },
      ...{
        window: seen.causal ? seen.window : null,
        isCausal: seen.causal,
        hasMask,
        hasSinks: exact.sinks !== null,
        rotary: turnOf(rotary),
        isPacked: false,
        dtype,
      },
    },
    isMaskWide: isWide(shapes.of(mask.value), sizes.query, sizes.key),
    isOpen: [0, 2].every((axis) => sizes.query?.[axis]?.constant !== 1),
  };
}

function isWide(mask: Sizes | null, query: Sizes | null, key: Sizes | null): boolean {
  const [steps, total] = [query?.[2], key?.[2]];
  if (mask?.length !== 4 || steps === undefined || total === undefined) return false;
  return mask[2]?.equals(steps) === true && mask[3]?.equals(total) === true;
}

/** The types that float32 can be converted to, by what the option calls them. */
const conversions = [
  ["fp16", "float16"],
  ["bf16", "bfloat16"],
] as const;

/** What else a kernel takes an attention in whose type it does not take, and who does. */
function conversionFor(kernel: AttentionKernel, needs: AttentionNeeds): Omit<Unshared, "why"> {
  const fits = (dtype: DType): boolean => obstacleIn(kernel, { ...needs, dtype }) === null;
  if (needs.dtype === "float") {
    const fitting = conversions.filter(([, dtype]) => fits(dtype));
    const dtypes = fitting.map(([name]) => `\`dtype: ${name}\``).join(" or ");
    return fitting.length === 0 ? {} : { cause: "type", remedy: `give ${dtypes}` };
  }
  const others = attentionKernels.filter((one) => one.sharesBuffer && obstacleIn(one, needs) === null);
  const remedy = otherType(
    fits,
    others.map(({ provider }) => provider),
  );
  return remedy === null ? {} : { cause: "type", remedy };
}

/** The inputs whose shapes tell how many tokens are new and how many there are. */
function countedInputs(
  { graph, shapes, openMask }: Known,
  query: Sizes | null,
  { padding, unproved }: Visibility,
): CountedInputs | Inexact {
  const [rows, steps] = [query?.[0], query?.[2]];
  const isTokens = (value: Value): boolean => {
    const [own, other] = shapes.of(value) ?? [];
    return (
      rows !== undefined && steps !== undefined && own?.equals(rows) === true && other?.equals(steps) === true
    );
  };
  const candidates = graph.inputs.filter((value) => value.constant === undefined && isTokens(value));
  const tokens = candidates.find(({ type }) => asTensor(type)?.shape?.length === 2) ?? candidates[0];
  if (tokens === undefined) return { why: "no input is of the size [rows, new tokens]" };
  if (padding === null && openMask !== null) return { tokens, mask: openMask };
  if (padding?.isInput !== true) {
    const also = unproved === null ? "" : `: ${unproved}`;
    return { why: `no input is proved to be the mask [rows, tokens], which tells how many there are${also}` };
  }
  return { tokens, mask: padding };
}
