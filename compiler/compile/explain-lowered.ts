import { sharedAttention } from "../../passes/index.ts";
import type { Graph } from "../ir/graph.ts";
import type { Provider } from "../ops/providers.ts";
import type { Attention } from "../recognize/attention/attention.ts";
import type { AttentionProver } from "../recognize/attention/exact.ts";
import { OPEN, type Visibility } from "../recognize/attention/visibility.ts";
import type { DecoderView } from "../recognize/decoder.ts";
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
