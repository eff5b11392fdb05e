import { groupsExperts, rowProductOf, sharedAttention } from "../../passes/index.ts";
import type { Model } from "../ir/model.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../adapters/kind.ts";
import { KV_LENGTH_KEY } from "../ops/kv.ts";
import { LOWERED_KEY, type Provider } from "../ops/providers.ts";
import { openMaskOf } from "../ops/unpadded.ts";
import type { Attention } from "../recognize/attention/attention.ts";
import type { AttentionProver, Inexact } from "../recognize/attention/exact.ts";
import type { CountedRotary } from "../recognize/attention/rotary-inside.ts";
import { RotaryProver } from "../recognize/attention/rotary-exact.ts";
import { LastRotaries } from "../recognize/attention/rotary-last.ts";
import { HeadRows } from "../recognize/attention/rows.ts";
import { OPEN, type Visibility } from "../recognize/attention/visibility.ts";
import type { DecoderView } from "../recognize/decoder.ts";
import { GraphIndex } from "../recognize/graph-index.ts";
import type { Moe } from "../recognize/moe/moe.ts";
import { knownShapes } from "../recognize/known-shapes.ts";
import { Elements } from "../recognize/symbolic/elements.ts";

/** Says what `kv: shared` makes of attention for one provider. */
export type SharedText = (block: Attention, seen: Visibility | undefined) => string;

export function sharedTexts(
  view: DecoderView,
  model: Model,
  provider: Provider,
  prover: AttentionProver,
): SharedText {
  const like = knownShapes(view);
  const elements = new Elements(like);
  const rotary = new RotaryProver(new GraphIndex(model, model.graph), like);
  const known = {
    ...{ graph: model.graph, shapes: elements.shapes, provider },
    ...{ rotaries: new LastRotaries(elements, new HeadRows(like), rotary), length: null },
    openMask: openMaskOf(model),
  };
  return (block, seen) => {
    const { anchor } = block;
    if (anchor.kind === "op") return `no: it is ${anchor.node.op} already, whose cache is what callers feed`;
    const exact = prover.prove(anchor);
    const shared = "why" in exact ? exact : sharedAttention(block, exact, seen ?? OPEN, known);
    if ("why" in shared) return `no: ${shared.why}`;
    const { form, isOpen, rotary } = shared;
    return [
      "GroupQueryAttention",
      form.isCausal ? "which hides later positions" : "which hides nothing: not proved to be causal",
      ...(form.window === null ? [] : [`and those further back than ${form.window}`]),
      form.hasMask ? "and is given the mask" : "and needs no mask",
      ...(rotary === null ? [] : [rotaryText(rotary)]),
      ...(isOpen ? ["Attention for several rows of several tokens behind a past"] : []),
    ].join(", ");
  };
}

/**
 * Says of attention in a model that `for` does not take what is in the way, or what it has; null of a model that it takes.
 */
export function settledText({ meta }: Model): string | null {
  const [lowered, length] = [meta.get(LOWERED_KEY), meta.get(KV_LENGTH_KEY)];
  if (lowered !== undefined)
    return length === undefined
      ? `no: it is written for ${lowered} already, with concatenated caches; for others compile its base`
      : `it has one already, of ${length} positions, for ${lowered}`;
  const holds = [ADAPTER_KEY, REPLACED_KEY].some((key) => meta.has(key));
  return holds
    ? "no: it is compiled with adapters already; compile its base, and give the adapters with it"
    : null;
}

/** Says how the experts of a mixture are multiplied for one provider; null where the graph has them apart, or in one op. */
export type ExpertsText = (block: Moe) => string | null;

export function expertsTexts(view: DecoderView, provider: Provider): ExpertsText {
  const { shapes } = new Elements(knownShapes(view));
  return ({ form, products }) => {
    if (form !== "batched") return null;
    const copying = products.filter((node) => rowProductOf(node, shapes) !== null);
    if (copying.length === 0) return "as they are: no row takes a copy of its expert's weights";
    if (!groupsExperts(provider))
      return `as they are, with a copy of an expert's weights for each row: only the CPU knows how many rows each has`;
    const rest = products.length - copying.length;
    return `the rows of each at once${rest === 0 ? "" : `, but for ${rest} of ${products.length} products`}`;
  };
}

/** Who turns queries and keys. */
function rotaryText(rotary: CountedRotary | Inexact): string {
  return "why" in rotary
    ? `its rotary embedding stays outside: ${rotary.why}`
    : "its rotary embedding inside: positions are counted from the past";
}
