import { attribute, type Attribute } from "../../compiler/ir/attribute.ts";
import { before, Builder } from "../../compiler/ir/builder.ts";
import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { dropIfUnread, takeOver } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import type { Attention } from "../../compiler/recognize/attention/attention.ts";
import {
  AttentionProver,
  type ExactAttention,
  type ExactMask,
} from "../../compiler/recognize/attention/exact.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../compiler/recognize/known-shapes.ts";
import { raiseOpset, redefined } from "./_opset.ts";

/** The first with `Attention`. */
const OPSET = 23;

/**
 * Writes attention in plain ops as one op, where it is proved to be that.
 *
 * Before: `Unsqueeze, Expand, Reshape` of keys and values, `Transpose, MatMul, Mul, Add, Softmax, MatMul`.
 * After: `context = Attention <scale, softcap> (queries, keys, values, mask)`, keys and values as the cache holds them.
 *
 * Leaves alone what is one op already, and, with a note that says why, what is not proved to be attention: sinks beside
 * the scores, masks that are not added last. Rotary embeddings and caches stay as they are. The mask is handed on as it
 * is; a row that sees nothing gives what the op makes of it.
 */
export const lowerAttention: Pass<object, BlockVisitor> = {
  name: "lower-attention",
  summary: "write attention in plain ops as one op",
  options: {},
  stats: ["attention"],
  requires: [],
  walk: blocks,
  visitor: ({ model, rewriter, sink, analysis, count }) => {
    const prover = new AttentionProver(knownShapes(analysis(viewDecoder)));
    const found = new Map<Attention, ExactAttention>();
    let raised: string | null | undefined;
    return {
      attention: {
        enter: (block) => {
          const { anchor } = block;
          if (anchor.kind === "op") return;
          const exact = prover.prove(anchor);
          if ("why" in exact) sink.report("ATTENTION_KEPT", placeOf(anchor.node), exact);
          else found.set(block, exact);
        },
        exit: (block) => {
          const exact = found.get(block);
          if (exact === undefined) return;
          if (raised === undefined) {
            raised = redefined(model, ["Attention"]) ?? raiseOpset(model, rewriter, OPSET);
            if (raised !== null) sink.report("ATTENTION_KEPT", placeOf(block.anchor.node), { why: raised });
          }
          if (raised !== null) return;
          lower(exact, rewriter);
          count("attention");
        },
      },
    };
  },
};

function lower(
  { query, key, value, scale, softcap, mask, isWide, context }: ExactAttention,
  rw: Rewriter,
): void {
  const product = context.producer;
  if (product === null) return;
  const b = new Builder(rw, before(product));
  const attributes: Record<string, Attribute> = {
    scale: attribute.float(scale),
    ...(softcap === null ? {} : { softcap: attribute.float(softcap) }),
    // Of float: the type that scores were cast to in front of the Softmax.
    ...(isWide ? { softmax_precision: attribute.int(1) } : {}),
  };
  const shown = mask === null ? [] : [maskOf(mask, b)];
  const made = b.op("Attention", [query, key, value, ...shown], context.name ?? "attention", attributes);
  takeOver(rw, context, made);
  dropIfUnread(rw, [context]);
}

function maskOf({ value, kind }: ExactMask, b: Builder): Value {
  return kind === "hide" ? b.op("Not", [value], `${value.name ?? "mask"}_shown`) : value;
}
