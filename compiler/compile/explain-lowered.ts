import { groupsExperts, rowProductOf, sharedAttention } from "../../passes/index.ts";
import type { Graph } from "../ir/graph.ts";
import type { Provider } from "../ops/providers.ts";
import type { Attention } from "../recognize/attention/attention.ts";
import type { AttentionProver } from "../recognize/attention/exact.ts";
import { OPEN, type Visibility } from "../recognize/attention/visibility.ts";
import type { DecoderView } from "../recognize/decoder.ts";
import type { Moe } from "../recognize/moe/moe.ts";
import { knownShapes } from "../recognize/known-shapes.ts";
import { Elements } from "../recognize/symbolic/elements.ts";

/** Says what `kv: shared` makes of attention for one provider. */
export type SharedText = (block: Attention, seen: Visibility | undefined) => string;

/** @param graph the model's main graph */
export function sharedTexts(
  view: DecoderView,
  graph: Graph,
  provider: Provider,
  prover: AttentionProver,
): SharedText {
  const known = { graph, shapes: new Elements(knownShapes(view)).shapes, provider };
  return (block, seen) => {
    const { anchor } = block;
    if (anchor.kind === "op") return `no: it is ${anchor.node.op} already, whose cache is what callers feed`;
    const exact = prover.prove(anchor);
    const shared = "why" in exact ? exact : sharedAttention(block, exact, seen ?? OPEN, known);
    if ("why" in shared) return `no: ${shared.why}`;
    const { form, isOpen } = shared;
    return [
      "GroupQueryAttention",
      form.isCausal ? "which hides later positions" : "which hides nothing: not proved to be causal",
      ...(form.window === null ? [] : [`and those further back than ${form.window}`]),
      form.hasMask ? "and is given the mask" : "and needs no mask",
      ...(isOpen ? ["Attention for several rows of several tokens behind a past"] : []),
    ].join(", ");
  };
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
