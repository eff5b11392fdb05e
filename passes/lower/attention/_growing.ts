import { attribute, type Attribute } from "../../../compiler/ir/attribute.ts";
import { before, Builder } from "../../../compiler/ir/builder.ts";
import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import { dropIfUnread, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { kernelsOf } from "../../../compiler/ops/kernels/kernels.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import type { Context } from "../../../compiler/pass/pass.ts";
import type { Attention } from "../../../compiler/recognize/attention/attention.ts";
import {
  AttentionProver,
  type ExactAttention,
  type ExactMask,
} from "../../../compiler/recognize/attention/exact.ts";
import { HeadRows } from "../../../compiler/recognize/attention/rows.ts";
import type { BlockVisitor } from "../../../compiler/recognize/blocks.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../../compiler/recognize/known-shapes.ts";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import { handOn, rowAttention, writeRows, type RowAttention } from "./_growing-rows.ts";
import type { LoweringOptions } from "./_lowering-options.ts";
import { NanGuards } from "./_nan-guards.ts";
import { raiseOpset, redefined } from "../_opset.ts";

/** The first with `Attention`. */
export const ATTENTION_OPSET = 23;

const NO_SINKS = "scores beside the others, one for each head (sinks), which Attention does not take";

/** Writes attention with caches that grow: keys and values go into the op as the caches hold them. */
export function growing({
  model,
  options,
  rewriter,
  sink,
  analysis,
  count,
}: Context<LoweringOptions>): BlockVisitor {
  const like = knownShapes(analysis(viewDecoder));
  const prover = new AttentionProver(like);
  const rows = new HeadRows(like);
  const { shapes } = new Elements(like);
  const found = new Map<Attention, ExactAttention>();
  const guards = new NanGuards(rewriter);
  let raised: string | null | undefined;
  return {
    attention: {
      enter: (block) => {
        const { anchor } = block;
        if (anchor.kind === "op") return;
        const exact = prover.prove(anchor);
        if ("why" in exact || exact.sinks !== null) {
          const why = "why" in exact ? exact.why : NO_SINKS;
          sink.report("ATTENTION_KEPT", placeOf(anchor.node), { why });
          return;
        }
        found.set(block, exact);
      },
      exit: (block) => {
        const exact = found.get(block);
        if (exact === undefined) return;
        if (raised === undefined) {
          raised =
            missing(options.provider, "Attention") ??
            redefined(model, ["Attention"]) ??
            raiseOpset(model, rewriter, ATTENTION_OPSET);
          if (raised !== null) sink.report("ATTENTION_KEPT", placeOf(block.anchor.node), { why: raised });
        }
        if (raised !== null) {
          if (missing(options.provider, "IsNaN") !== null) guards.drop(block, exact);
          return;
        }
        // Elsewhere it is the plain form that kernels are known to take.
        const form = options.provider === "cpu" ? rowAttention(exact, rows, shapes) : null;
        lower(exact, rewriter, form === null ? null : { form, rows });
        count("attention");
      },
    },
  };
}

/** Why an op is of no use on a provider; null where it has kernels of it. */
function missing(provider: Provider, op: string): string | null {
  const known = kernelsOf(op)?.kernels[provider] ?? [];
  return known.length > 0 ? null : `onnxruntime has no kernel of ${op} on ${provider}`;
}

function lower(
  exact: ExactAttention,
  rw: Rewriter,
  sideBySide: { readonly form: RowAttention; readonly rows: HeadRows } | null,
): void {
  const { query, key, value, scale, softcap, mask, isWide, context } = exact;
  const product = context.producer;
  if (product === null) return;
  const b = new Builder(rw, before(product));
  const attributes: Record<string, Attribute> = {
    scale: attribute.float(scale),
    ...(softcap === null ? {} : { softcap: attribute.float(softcap) }),
    // Of float: the type that scores were cast to in front of the Softmax.
    ...(isWide ? { softmax_precision: attribute.int(1) } : {}),
  };
  const shown = mask === null ? null : maskOf(mask, b);
  if (sideBySide !== null) {
    const { form, rows } = sideBySide;
    const made = writeRows(b, rows, exact, { form, mask: shown, attributes });
    takeOver(rw, form.below, made);
    dropIfUnread(rw, [context, form.below]);
    handOn(rw, form, made);
    return;
  }
  const operands = [query, key, value, ...(shown === null ? [] : [shown])];
  const made = b.op("Attention", operands, context.name ?? "attention", attributes);
  takeOver(rw, context, made);
  dropIfUnread(rw, [context]);
}

function maskOf({ value, kind }: ExactMask, b: Builder): Value {
  return kind === "hide" ? b.op("Not", [value], `${value.name ?? "mask"}_shown`) : value;
}
