import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import { byAll, type Rule, type Vjp } from "../../rule.ts";
import { positive, type AttentionForm, type AttentionPart, type Size } from "./form.ts";
import { attentionGradients } from "./gradients.ts";
import { behindPast, both, giveParts, headSums, inHeads, inRows, widthOf } from "./heads.ts";
import { allOf, visibleBy, within } from "./visible.ts";

/** (q, k, v, mask, past_key, past_value, nonpad_lengths) */
const AT = { mask: 3, pastKey: 4, pastValue: 5, lengths: 6 } as const;

/** ONNX's `Attention` since 23: queries, keys and values in heads, `[B, H, S, d]`, or in rows, `[B, S, H·d]`. */
export const standardRule: Rule = {
  by: (node) => byAll(node).filter((i) => i < AT.lengths),
  varies: [0, 1, 2],
  refuses: (node: Node) => ((node.output(3)?.users.size ?? 0) > 0 ? "something reads its scores" : null),
  write: (at) => {
    new StandardAttention(at).write();
  },
};

class StandardAttention {
  readonly #at: Vjp;
  /** Numbers of heads where they are attributes: operands are rows then. */
  readonly #rows: { readonly query: number; readonly keyValue: number } | null;

  constructor(at: Vjp) {
    const [query, keyValue] = [at.node.int("q_num_heads"), at.node.int("kv_num_heads")];
    this.#at = at;
    this.#rows = query === undefined || keyValue === undefined ? null : { query, keyValue };
  }

  write(): void {
    const at = this.#at;
    const { b } = at;
    const found = this.#gradients();
    const query = found.get("query");
    if (query !== undefined) at.give(0, this.#joined(query, 0));
    const parts = [
      ["key", 1, AT.pastKey],
      ["value", 2, AT.pastValue],
    ] as const;
    for (const [part, operand, past] of parts) {
      const all = both(b, found.get(part) ?? null, at.gradient(operand));
      if (all === null) continue;
      giveParts(at, all, past, (gradient) => {
        if (at.wants(operand)) at.give(operand, this.#joined(gradient, operand));
      });
    }
    const bias = found.get("bias");
    if (bias !== undefined) at.give(AT.mask, bias);
  }

  #gradients(): ReadonlyMap<AttentionPart, Value> {
    const at = this.#at;
    const dy = at.gradient(0);
    if (dy === null) return new Map();
    const width = this.#width(2);
    const count = this.#rows?.query ?? null;
    const gradient =
      count === null
        ? { dy, sums: null }
        : { dy: inHeads(at.b, dy, count, width, "dy"), sums: headSums(at, dy, count, width) };
    const wants = new Set<AttentionPart>();
    if (at.wants(0)) wants.add("query");
    if (at.wants(1) || at.wants(AT.pastKey)) wants.add("key");
    if (at.wants(2) || at.wants(AT.pastValue)) wants.add("value");
    if (at.wants(AT.mask)) wants.add("bias");
    return attentionGradients(at.b, this.#form(), gradient, wants);
  }

  #form(): AttentionForm {
    const at = this.#at;
    const { b, node } = at;
    const query = this.#split(0, "q");
    const key = behindPast(at, this.#split(1, "k"), AT.pastKey, "keys");
    const value = behindPast(at, this.#split(2, "v"), AT.pastValue, "values");
    const mask = node.input(AT.mask) === null ? null : at.x(AT.mask);
    const isTruth = at.typeOf(AT.mask) === "bool";
    return {
      query,
      key,
      value,
      heads: {
        query: this.#rows?.query ?? this.#size(0, query),
        keyValue: this.#rows?.keyValue ?? this.#size(1, key),
      },
      scale: positive(node.float("scale")),
      width: this.#width(0),
      softcap: positive(node.float("softcap")),
      bias: isTruth ? null : mask,
      visible: allOf(b, [isTruth ? mask : null, ...this.#visible(query, key)]),
      sinks: null,
    };
  }

  /** The first query stands behind the past, or so that the last one stands at the end of its row. */
  #visible(query: Value, key: Value): readonly (Value | null)[] {
    const at = this.#at;
    const { b, node } = at;
    const isCausal = node.int("is_causal") === 1;
    const lengths = node.input(AT.lengths) === null ? null : at.x(AT.lengths);
    if (!isCausal && lengths === null) return [];
    const [queries, keys] = [b.dim(query, 2, "steps"), b.dim(key, 2, "key_count")];
    const inRow = lengths === null ? null : within(b, lengths, keys);
    const from = (): Value | null => {
      if (lengths !== null)
        return b.unsqueeze(b.op("Sub", [lengths, queries], "first_positions"), [1, 2, 3], "first_rows");
      return node.input(AT.pastKey) === null ? null : b.dim(at.x(AT.pastKey), 2, "past_length");
    };
    const behind = isCausal ? visibleBy(b, { queries, keys, from: from(), isCausal, window: null }) : null;
    return [inRow, behind];
  }

  #width(operand: number): number | null {
    const all = widthOf(this.#at, operand);
    const count = this.#count(operand);
    return all === null ? null : all / (count ?? 1);
  }

  #count(operand: number): number | null {
    return this.#rows === null ? null : operand === 0 ? this.#rows.query : this.#rows.keyValue;
  }

  #split(operand: number, name: string): Value {
    const [at, count] = [this.#at, this.#count(operand)];
    const x = at.x(operand);
    return count === null ? x : inHeads(at.b, x, count, this.#width(operand), name);
  }

  #joined(gradient: Value, operand: number): Value {
    const count = this.#count(operand);
    const name = `d${"qkv"[operand] ?? ""}_rows`;
    return count === null ? gradient : inRows(this.#at.b, gradient, count, this.#width(operand), name);
  }

  /** The heads of an operand of four axes. */
  #size(operand: number, x: Value): Size {
    const at = this.#at;
    return at.shapes.of(at.node.input(operand))?.[1]?.constant ?? at.b.dim(x, 1, "heads");
  }
}
