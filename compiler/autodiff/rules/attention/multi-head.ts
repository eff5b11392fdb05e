import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import type { Rule, Vjp } from "../../rule.ts";
import { positive, type AttentionForm, type AttentionPart } from "./form.ts";
import { attentionGradients } from "./gradients.ts";
import { behindPast, both, giveParts, headSums, inHeads, inRows, widthOf } from "./heads.ts";
import { allOf, visibleBy, within } from "./visible.ts";

/** (q, k, v, bias, key_padding_mask, attention_bias, past_key, past_value, past_length, cache_indirection) */
const AT = { bias: 3, padding: 4, added: 5, pastKey: 6, pastValue: 7 } as const;

/** `com.microsoft::MultiHeadAttention` of queries, keys and values in three operands, keys and values in rows or in heads. */
export const multiHeadRule: Rule = {
  by: (node) => [0, 1, 2, AT.bias, AT.added, AT.pastKey, AT.pastValue].filter((i) => node.input(i) !== null),
  varies: [0, 1, 2],
  refuses: (node: Node) => {
    if (node.input(1) === null || node.input(2) === null) return "its operands are packed";
    if (node.input(8) !== null || node.input(9) !== null) return "it reads a buffer of earlier tokens";
    return (node.output(3)?.users.size ?? 0) > 0 ? "something reads its scores" : null;
  },
  write: (at) => {
    new MultiHead(at).write();
  },
};

const parts = ["query", "key", "value"] as const;

class MultiHead {
  readonly #at: Vjp;
  readonly #heads: number;

  constructor(at: Vjp) {
    this.#at = at;
    this.#heads = at.node.int("num_heads") ?? 1;
  }

  write(): void {
    const at = this.#at;
    const { b } = at;
    const found = this.#gradients();
    // What each operand's rows get, before the bias is told of it.
    const rows = new Map<number, Value>();
    const take = (operand: number, gradient: Value): void => {
      rows.set(
        operand,
        inRows(b, gradient, this.#heads, this.#width(operand), `d${"qkv"[operand] ?? ""}_rows`),
      );
      if (!at.wants(operand)) return;
      const isHeads = this.#isInHeads(operand);
      at.give(operand, isHeads ? gradient : (rows.get(operand) ?? gradient));
    };
    const query = found.get("query");
    if (query !== undefined) take(0, query);
    for (const operand of [1, 2]) {
      const all = both(b, found.get(parts[operand] ?? "key") ?? null, at.gradient(operand));
      const past = operand === 1 ? AT.pastKey : AT.pastValue;
      if (all !== null)
        giveParts(at, all, past, (gradient) => {
          take(operand, gradient);
        });
    }
    if (at.wants(AT.bias)) {
      const sums = [0, 1, 2].flatMap((i) => {
        const gradient = rows.get(i);
        return gradient === undefined ? [] : [b.sum(gradient, [0, 1], "dbias_part")];
      });
      at.give(AT.bias, b.concat(sums, 0, "dbias"));
    }
    const added = found.get("bias");
    if (added !== undefined) at.give(AT.added, added);
  }

  #gradients(): ReadonlyMap<AttentionPart, Value> {
    const at = this.#at;
    const dy = at.gradient(0);
    if (dy === null) return new Map();
    const width = this.#width(2);
    const isBiased = at.wants(AT.bias);
    const wants = new Set<AttentionPart>();
    if (at.wants(0) || isBiased) wants.add("query");
    if (at.wants(1) || at.wants(AT.pastKey) || isBiased) wants.add("key");
    if (at.wants(2) || at.wants(AT.pastValue) || isBiased) wants.add("value");
    if (at.wants(AT.added)) wants.add("bias");
    return attentionGradients(
      at.b,
      this.#form(),
      {
        dy: inHeads(at.b, dy, this.#heads, width, "dy"),
        sums: headSums(at, dy, this.#heads, width),
      },
      wants,
    );
  }

  #form(): AttentionForm {
    const at = this.#at;
    const { b, node } = at;
    const query = this.#split(0);
    const key = behindPast(at, this.#split(1), AT.pastKey, "keys");
    const value = behindPast(at, this.#split(2), AT.pastValue, "values");
    const isCausal = node.int("unidirectional") === 1;
    const [queries, keys] = [b.dim(query, 2, "steps"), b.dim(key, 2, "key_count")];
    const past = node.input(AT.pastKey) === null ? null : b.dim(at.x(AT.pastKey), 2, "past_length");
    return {
      query,
      key,
      value,
      heads: { query: this.#heads, keyValue: this.#heads },
      scale: positive(node.float("scale")),
      width: this.#width(0),
      softcap: null,
      bias: node.input(AT.added) === null ? null : at.x(AT.added),
      visible: allOf(b, [
        node.input(AT.padding) === null ? null : this.#shown(keys),
        visibleBy(b, { queries, keys, from: past, isCausal, window: null }),
      ]),
      sinks: null,
    };
  }

  /** A mask says of each key whether it takes part, `[B, T]` or `[B, S, T]`, or how many do, `[B]`. */
  #shown(keys: Value): Value {
    const at = this.#at;
    const { b, node } = at;
    const mask = at.x(AT.padding);
    const rank = at.shapes.of(node.input(AT.padding))?.length ?? 2;
    if (rank === 1) return within(b, mask, keys);
    return b.unsqueeze(b.cast(mask, "bool", "is_shown"), rank === 2 ? [1, 2] : [1], "shown");
  }

  #isInHeads(operand: number): boolean {
    const at = this.#at;
    return at.shapes.of(at.node.input(operand))?.length === 4;
  }

  /** The width of a head of an operand. */
  #width(operand: number): number | null {
    const all = widthOf(this.#at, operand);
    return all === null || this.#isInHeads(operand) ? all : all / this.#heads;
  }

  #split(operand: number): Value {
    const at = this.#at;
    const name = "qkv"[operand] ?? "";
    if (this.#isInHeads(operand)) return at.x(operand);
    const biased = this.#biased(operand, name);
    return inHeads(at.b, biased, this.#heads, this.#width(operand), name);
  }

  /** The bias of queries, keys and values stands in one vector. */
  #biased(operand: number, name: string): Value {
    const at = this.#at;
    const { b, node } = at;
    const x = at.x(operand);
    if (node.input(AT.bias) === null) return x;
    const bias = at.x(AT.bias);
    const [q, k, v] = [0, 1, 2].map((i) => b.dim(at.x(i), 2, "features"));
    const names = ["bias_q", "bias_k", "bias_v"];
    const { outputs } = b.node(
      "Split",
      [
        bias,
        b.concat(
          [q, k, v].filter((one) => one !== undefined),
          0,
          "bias_sizes",
        ),
      ],
      names,
    );
    return b.op("Add", [x, outputs[operand] ?? null], `${name}_biased`);
  }
}
