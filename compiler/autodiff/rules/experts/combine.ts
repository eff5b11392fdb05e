import { attribute } from "../../../ir/attribute.ts";
import type { Builder } from "../../../ir/builder.ts";
import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import { add, div, like, mul, sumKept } from "../../terms.ts";
import { matrixOf } from "../matrices.ts";
import { reshaped } from "../sizes.ts";

/** One of an expert's products. */
export interface Linear {
  /** @param rows `[rows, in]` @param expert its index, a vector of one @returns `[rows, out]` */
  readonly of: (b: Builder, operands: readonly (Value | null)[], rows: Value, expert: Value) => Value;
}

/** Experts and what they are chosen by. */
export interface Mixture {
  /** `[…, hidden]` */
  readonly x: Value;
  /** `[tokens, experts]` */
  readonly scores: Value;
  readonly experts: number;
  /** What experts are weighed by in place of their scores. */
  readonly mixing: Value | null;
  /** Writes an expert of `[rows, hidden]`. */
  readonly expert: (rows: Value, index: Value) => Value;
}

/** The sum of the experts that each token is sent to, as they are weighed. */
export function combined(b: Builder, node: Node, { x, scores, experts, mixing, expert }: Mixture): Value {
  const rows = matrixOf(b, x);
  const weights = weightsOf(b, node, scores, mixing);
  // An index that only a run knows: onnxruntime would keep a copy of each expert that constants take.
  const nought = b.op("Mul", [b.dim(rows, 0, "tokens"), b.ints([0])], "nought");
  let sum = b.op("Expand", [like(b, 0, rows), b.op("Shape", [rows], "sizes")], "none");
  for (let i = 0; i < experts; i++) {
    const column = b.slice(weights, i, i + 1, 1, "weights_of_expert");
    const isSent = b.op(
      "Greater",
      [b.cast(column, "float", "wide"), b.constant("float", [], [0], "zero")],
      "is_sent",
    );
    const sent = b.op("NonZero", [b.op("Squeeze", [isSent, b.ints([1])], "is_token_sent")], "sent_row");
    const tokens = b.op("Squeeze", [sent, b.ints([0])], "sent");
    const made = expert(
      b.gather(rows, tokens, "rows_of_expert"),
      b.op("Add", [nought, b.ints([i])], "expert"),
    );
    const weighed = mul(b, made, b.gather(column, tokens, "weights_of_rows"), "weighed");
    const places = b.unsqueeze(tokens, [1], "places");
    // Each token is sent to an expert once: halves are added outside of the scatter, which knows none.
    const own = b.op("ScatterND", [zeros(b, rows), places, weighed], "of_expert");
    sum = add(b, sum, own);
  }
  return reshaped(b, sum, b.op("Shape", [x], "own_sizes"), "y");
}

function zeros(b: Builder, rows: Value): Value {
  return b.op("Expand", [like(b, 0, rows), b.op("Shape", [rows], "sizes")], "zeros");
}

/** `[tokens, experts]`: the weights of the best experts of each token, 0 for the others. */
function weightsOf(b: Builder, node: Node, scores: Value, mixing: Value | null): Value {
  const best = b.node("TopK", [scores, b.ints([node.int("k") ?? 1])], ["best", "chosen"], {
    axis: attribute.int(-1),
  });
  const [top, chosen] = best.outputs;
  if (top === undefined || chosen === undefined) throw new Error("TopK has two results");
  const [last, along] = [{ axis: attribute.int(-1) }, { axis: attribute.int(1) }];
  const isNormal = node.int("normalize_routing_weights") === 1;
  const taken = (from: Value): Value => b.op("GatherElements", [from, chosen], "taken", along);
  const weights = ((): Value => {
    if (mixing === null)
      return isNormal
        ? b.op("Softmax", [top], "shares", last)
        : taken(b.op("Softmax", [scores], "shares", last));
    const mixed = taken(mixing);
    return isNormal ? div(b, mixed, sumKept(b, mixed, [-1]), "shares") : mixed;
  })();
  const none = b.op("Expand", [like(b, 0, scores), b.op("Shape", [scores], "sizes")], "none");
  return b.op("ScatterElements", [none, chosen, weights], "weights", along);
}
