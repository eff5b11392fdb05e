import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import { passError } from "../../../compiler/diagnostics/error.ts";
import { asTensor } from "../../../compiler/ir/type.ts";
import { openMaskOf } from "../../../compiler/ops/unpadded.ts";
import { opOf, ops } from "../../../compiler/ops/table.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { OPEN } from "../../../compiler/recognize/attention/visibility.ts";
import type { Context } from "../../../compiler/pass/pass.ts";
import type { Attention } from "../../../compiler/recognize/attention/attention.ts";
import { AttentionProver } from "../../../compiler/recognize/attention/exact.ts";
import { LastRotaries } from "../../../compiler/recognize/attention/rotary-last.ts";
import { HeadRows } from "../../../compiler/recognize/attention/rows.ts";
import type { BlockVisitor } from "../../../compiler/recognize/blocks.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../../compiler/recognize/known-shapes.ts";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { visibilitiesOf } from "../../../compiler/recognize/visibilities.ts";
import { GROUP_QUERY_FUNCTION, GROUP_QUERY_OP } from "./_grouped-query.ts";
import { ATTENTION_OPSET } from "./_growing.ts";
import type { LoweringOptions } from "./_lowering-options.ts";
import { SharedLowering } from "./_lower-shared.ts";
import { raiseOpset, redefined } from "../_opset.ts";
import { PositionConstants } from "./_position-tables.ts";
import { shapeReads } from "./_shape-reads.ts";
import { SharedCaches } from "./_shared-caches.ts";
import { sharedAttention, type SharedAttention, type Unshared } from "./_sharing.ts";

/**
 * Writes attention with caches that are buffers of a fixed length: all of a model's, since callers feed them alike.
 *
 * @throws TfcError KV_SHARED_REFUSED where that is not proved of one
 */
export function sharing(context: Context<LoweringOptions>): BlockVisitor {
  const { model, options, rewriter, sink, count } = context;
  const view = context.analysis(viewDecoder);
  const like = knownShapes(view);
  const prover = new AttentionProver(like);
  const seen = visibilitiesOf(view);
  const elements = new Elements(like);
  const known = {
    ...{ graph: model.graph, shapes: elements.shapes, provider: options.provider },
    ...{ rotaries: new LastRotaries(elements, new HeadRows(like), null), length: options.maxLength },
    openMask: openMaskOf(model),
  };
  const found: SharedAttention[] = [];
  return {
    attention: (block) => {
      const { anchor } = block;
      if (isShared(block, options.maxLength)) return;
      if (anchor.kind === "op") throw refused(anchor.node, chosen(anchor.node));
      const exact = prover.prove(anchor);
      if ("why" in exact) throw refused(anchor.node, exact);
      const shared = sharedAttention(block, exact, seen.get(block) ?? OPEN, known);
      if ("why" in shared) throw refused(anchor.node, shared);
      found.push(shared);
    },
    ...refusing,
    model: {
      exit: () => {
        const [first] = found;
        if (first === undefined) return;
        const why = redefined(model, ["Attention"]) ?? raiseOpset(model, rewriter, ATTENTION_OPSET);
        if (why !== null) throw refused(first.key.join, { why });
        const reads = shapeReads(found, known.shapes);
        const caches = new SharedCaches(rewriter, model.graph, first.inputs, {
          ...{ length: options.maxLength, provider: options.provider },
        });
        const tables = new PositionConstants(rewriter, model.graph, options.maxLength);
        const lowering = new SharedLowering(model, rewriter, { like, caches, tables });
        for (const read of reads) caches.answer(read);
        for (const attention of found) lowering.lower(attention);
        caches.dropUnread();
        const { given, past } = first.key;
        const [outside, inside] = [asTensor(given.type)?.dtype, asTensor(past.type)?.dtype];
        if (outside !== undefined && inside !== undefined && outside !== inside)
          sink.report("KV_SHARED_CONVERTED", placeOf(given), { outside, inside });
        count("attention", found.length);
      },
    },
  };
}

/** Attention that cannot be looked into: callers feed all caches alike, so that none may stay as it is. */
const refusing: BlockVisitor = {
  site: ({ site, node, name }) => {
    const why = `it is a call of ${node.op}, ${name}, which was not inlined`;
    if (site === "attn") throw refused(node, { why });
  },
  miss: ({ at, want, got }, { block }) => {
    const why = `it is not understood: wanted ${want}, found ${got}`;
    if (block === "attention") throw refused(at, { why });
  },
};

/** What the exporter wrote is not written anew. */
function chosen({ op }: Node): Unshared {
  return { why: `it is ${op} already, whose cache is what callers feed`, cause: "op" };
}

function refused(at: Node | Value, unshared: Unshared): Error {
  return passError("KV_SHARED_REFUSED", placeOf(at), unshared);
}

/** Whether attention has a cache that is one buffer of this length already. */
function isShared({ anchor, cache }: Attention, length: number): boolean {
  if (opOf(anchor.node) === ops.get(GROUP_QUERY_FUNCTION)) return true;
  const past = asTensor(cache?.pastKey?.type)?.shape?.[2];
  return anchor.node.op === GROUP_QUERY_OP && past === length;
}
