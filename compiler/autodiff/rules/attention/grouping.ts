import type { Builder } from "../../../ir/builder.ts";
import type { Value } from "../../../ir/value.ts";
import type { AttentionForm, Size } from "./form.ts";

/**
 * Queries of a group as rows of one matrix: no head of keys or values is repeated, and their gradients are summed over a
 * group by the product itself.
 */
export class Grouping {
  readonly #b: Builder;
  readonly #heads: AttentionForm["heads"];
  readonly #steps: Value | null;
  readonly #rows: Value | null;

  constructor(b: Builder, { query, heads }: AttentionForm) {
    this.#b = b;
    this.#heads = heads;
    const { query: h, keyValue: kv } = heads;
    const isPlain = typeof h === "number" && h === kv;
    this.#steps = isPlain ? null : b.dim(query, 2, "steps");
    this.#rows = this.#steps === null ? null : groupRows(b, this.#steps, h, kv);
  }

  /** `[B, H, S, n]` as `[B, KV, G·S, n]`. */
  joined(x: Value, name: string): Value {
    return this.#rows === null ? x : this.#b.shaped(x, [0, this.#heads.keyValue, this.#rows, 0], name);
  }

  /** `[B, KV, G·S, n]` as `[B, H, S, n]`. */
  apart(x: Value, name: string): Value {
    return this.#steps === null ? x : this.#b.shaped(x, [0, this.#heads.query, this.#steps, 0], name);
  }
}

function groupRows(b: Builder, steps: Value, h: Size, kv: Size): Value {
  if (typeof h === "number" && typeof kv === "number")
    return b.op("Mul", [steps, b.ints([h / kv])], "group_rows");
  const [all, shared] = [h, kv].map((size) => (typeof size === "number" ? b.ints([size]) : size));
  return b.op("Div", [b.op("Mul", [steps, all ?? null], "all_rows"), shared ?? null], "group_rows");
}
