import { attribute } from "../../../ir/attribute.ts";
import { END, type Builder } from "../../../ir/builder.ts";
import type { Node } from "../../../ir/node.ts";
import type { Value } from "../../../ir/value.ts";
import type { Rule, Vjp } from "../../rule.ts";
import { positive, type AttentionForm, type AttentionPart } from "./form.ts";
import { attentionGradients } from "./gradients.ts";
import { zerosLike as zerosOf } from "../../terms.ts";
import { both, headSums, inHeads, inRows, widthOf } from "./heads.ts";
import { followingPositions, turning, type Turning } from "./rotary.ts";
import { allOf, visibleBy, within } from "./visible.ts";

/** (q, k, v, past_key, past_value, seqlens_k, total, cos, sin, positions, bias, sinks) */
const AT = { past: 3, lengths: 5, cos: 7, sin: 8, positions: 9, bias: 10, sinks: 11 } as const;

/**
 * `com.microsoft::GroupQueryAttention`. Keys of earlier tokens stand in their buffer, and new ones behind it: the order of
 * keys makes no difference, only which of them are seen.
 */
export const groupedQueryRule: Rule = {
  by: () => [0, 1, 2, AT.bias, AT.sinks],
  varies: [0, 1, 2],
  refuses,
  write: (at) => {
    new GroupedQuery(at).write();
  },
};

function refuses(node: Node): string | null {
  if (node.inputs.length > AT.sinks + 1) return "it reads a quantized cache, or norms of queries and keys";
  if (isRead(node, 3)) return "something reads its scores";
  if (node.input(AT.past) === null) return null;
  if (node.int("sliding_window_cache") === 1) return "its cache holds a window alone";
  if (node.input(AT.bias) !== null) return "it has a past and a bias";
  return isRead(node, 1) || isRead(node, 2) ? "something reads the cache that it writes" : null;
}

function isRead(node: Node, result: number): boolean {
  return (node.output(result)?.users.size ?? 0) > 0;
}

/** Queries, keys and values in heads. */
interface InHeads {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

class GroupedQuery {
  readonly #at: Vjp;
  readonly #b: Builder;
  readonly #heads: number;
  readonly #kvHeads: number;
  readonly #isPacked: boolean;
  readonly #width: number | null;

  constructor(at: Vjp) {
    const { node } = at;
    this.#at = at;
    this.#b = at.b;
    this.#heads = node.int("num_heads") ?? 1;
    this.#kvHeads = node.int("kv_num_heads") ?? this.#heads;
    this.#isPacked = node.input(1) === null;
    const all = widthOf(at, 0);
    const count = this.#isPacked ? this.#heads + 2 * this.#kvHeads : this.#heads;
    this.#width = all === null ? null : all / count;
  }

  write(): void {
    const at = this.#at;
    const own = this.#inHeads();
    const past = at.node.input(AT.past) === null ? null : this.#past();
    const turns = at.node.int("do_rotary") === 1 ? this.#turning(past) : null;
    const [h, kv] = [this.#heads, this.#kvHeads];
    const query = turns?.forth(own.query, h, "q_turned") ?? own.query;
    const key = turns?.forth(own.key, kv, "k_turned") ?? own.key;
    const found = this.#gradients({ query, key, value: own.value }, past);
    const back = (x: Value | null, heads: number, name: string): Value | null =>
      x === null ? null : (turns?.back(x, heads, name) ?? x);
    const dQuery = back(found.get("query") ?? null, h, "dq_back");
    const dKey = back(both(this.#b, found.get("key") ?? null, at.gradient(1)), kv, "dk_back");
    const dValue = both(this.#b, found.get("value") ?? null, at.gradient(2));
    this.#give([dQuery, dKey, dValue], own);
    for (const part of ["bias", "sinks"] as const) {
      const gradient = found.get(part);
      if (gradient !== undefined) at.give(AT[part], gradient);
    }
  }

  #inHeads(): InHeads {
    const [at, b, h, kv] = [this.#at, this.#b, this.#heads, this.#kvHeads];
    const split = (operand: number, count: number, name: string): Value =>
      inHeads(b, at.x(operand), count, this.#width, name);
    if (!this.#isPacked) return { query: split(0, h, "q"), key: split(1, kv, "k"), value: split(2, kv, "v") };
    const names = ["q_part", "k_part", "v_part"];
    const { outputs } = b.node("Split", [split(0, h + 2 * kv, "qkv"), b.ints([h, kv, kv])], names, {
      axis: attribute.int(1),
    });
    const [query, key, value] = outputs;
    if (query === undefined || key === undefined || value === undefined) throw new Error("a Split of two");
    return { query, key, value };
  }

  /** Tokens before the new ones in each row, int64 `[B]`. */
  #past(): Value {
    const [at, b] = [this.#at, this.#b];
    const last = b.cast(b.op("Reshape", [at.x(AT.lengths), b.ints([-1])], "last_flat"), "int64", "last");
    const steps = b.op("Sub", [b.dim(at.x(0), 1, "steps"), b.ints([1])], "other_steps");
    // A first step may have padding behind it: its lengths are shorter than what is given.
    return b.op("Max", [b.op("Sub", [last, steps], "before"), b.int(0)], "past");
  }

  #turning(past: Value | null): Turning {
    return turning(this.#at, AT, this.#positions(past), this.#width);
  }

  #positions(past: Value | null): Value {
    const [at, b] = [this.#at, this.#b];
    const x = at.x(0);
    if (at.node.input(AT.positions) === null)
      return followingPositions(b, x, past === null ? null : b.unsqueeze(past, [1], "past_column"));
    if (past !== null) return at.x(AT.positions);
    // In front of all the op reads the first position of the first row, and counts on from there in every row.
    const flat = b.op("Reshape", [at.x(AT.positions), b.ints([-1])], "positions_flat");
    return followingPositions(b, x, b.slice(flat, 0, 1, 0, "first_position"));
  }

  #gradients(own: InHeads, past: Value | null): ReadonlyMap<AttentionPart, Value> {
    const [at, b, h, width] = [this.#at, this.#b, this.#heads, this.#width];
    const dy = at.gradient(0);
    if (dy === null) return new Map();
    const [key, value] =
      past === null
        ? [own.key, own.value]
        : [1, 2].map((i) => b.concat([at.x(AT.past + i - 1), i === 1 ? own.key : own.value], 2, "cached"));
    if (key === undefined || value === undefined) throw new Error("no keys");
    const form = this.#form({ query: own.query, key, value }, past, own.key);
    const sums = headSums(at, dy, h, width);
    const found = attentionGradients(b, form, { dy: inHeads(b, dy, h, width, "dy"), sums }, this.#wants());
    if (past === null) return found;
    // Of the keys and values only the new ones are this node's operands.
    const from = b.dim(at.x(AT.past), 2, "room");
    const cut = (part: AttentionPart, x: Value): Value =>
      part === "key" || part === "value" ? b.slice(x, from, END, 2, "new") : x;
    return new Map([...found].map(([part, x]) => [part, cut(part, x)] as const));
  }

  #wants(): ReadonlySet<AttentionPart> {
    const at = this.#at;
    const parts: readonly (readonly [AttentionPart, number])[] = [
      ["query", 0],
      ["key", this.#isPacked ? 0 : 1],
      ["value", this.#isPacked ? 0 : 2],
      ["bias", AT.bias],
      ["sinks", AT.sinks],
    ];
    return new Set(parts.flatMap(([part, operand]) => (at.wants(operand) ? [part] : [])));
  }

  #form(all: InHeads, past: Value | null, fresh: Value): AttentionForm {
    const [at, b] = [this.#at, this.#b];
    const { node } = at;
    const optional = (operand: number): Value | null => (node.input(operand) === null ? null : at.x(operand));
    const sinks = optional(AT.sinks);
    const isSmooth = sinks !== null || node.int("smooth_softmax") === 1;
    return {
      ...all,
      heads: { query: this.#heads, keyValue: this.#kvHeads },
      scale: positive(node.float("scale")),
      width: this.#width,
      softcap: positive(node.float("softcap")),
      bias: optional(AT.bias),
      visible: past === null ? this.#visible(fresh) : this.#visibleBehind(past, fresh),
      sinks:
        sinks ??
        (isSmooth
          ? b.op(
              "CastLike",
              [b.constant("float", [this.#heads], Array<number>(this.#heads).fill(0), "none"), fresh],
              "sinks",
            )
          : null),
    };
  }

  #visible(fresh: Value): Value | null {
    const [at, b, isCausal] = [this.#at, this.#b, this.#isCausal];
    const steps = b.dim(fresh, 2, "steps");
    const seen = visibleBy(b, { queries: steps, keys: steps, from: null, isCausal, window: this.#window });
    if (isCausal) return seen;
    // Padding behind a row is seen by nothing; causal rows do not see it anyway.
    const lengths = b.op("Add", [b.cast(at.x(AT.lengths), "int64", "last"), b.int(1)], "row_lengths");
    const inRow = within(b, b.op("Reshape", [lengths, b.ints([-1])], "lengths_flat"), steps);
    return allOf(b, [seen, inRow]);
  }

  /** Of a buffer what is filled, and of the new keys those that stand before a query: `[B, 1, S, L + S]`. */
  #visibleBehind(past: Value, fresh: Value): Value {
    const [at, b, window, isCausal] = [this.#at, this.#b, this.#window, this.#isCausal];
    const [steps, room] = [b.dim(fresh, 2, "steps"), b.dim(at.x(AT.past), 2, "room")];
    const from = b.unsqueeze(past, [1, 2, 3], "past_rows");
    const old = allOf(b, [
      within(b, past, room),
      visibleBy(b, { queries: steps, keys: room, from, isCausal: false, window }),
    ]);
    const own = visibleBy(b, { queries: steps, keys: steps, from: null, isCausal, window });
    const wide = (x: Value | null, keys: Value): Value => {
      const sizes = b.vector([b.dim(past, 0, "rows"), 1, steps, keys], "sight_sizes");
      return b.op("Expand", [x ?? b.cast(b.int(1), "bool", "yes"), sizes], "sight");
    };
    return b.concat([wide(old, room), wide(own, steps)], 3, "sight_all");
  }

  get #isCausal(): boolean {
    return (this.#at.node.int("causal") ?? 1) !== 0;
  }

  get #window(): number | null {
    const window = this.#at.node.int("local_window_size") ?? -1;
    return window < 0 ? null : window;
  }

  #give([dq, dk, dv]: readonly (Value | null)[], own: InHeads): void {
    const [at, b, h, kv, width] = [this.#at, this.#b, this.#heads, this.#kvHeads, this.#width];
    if (this.#isPacked) {
      const parts = [dq ?? zerosOf(b, own.query), dk ?? zerosOf(b, own.key), dv ?? zerosOf(b, own.value)];
      at.give(0, inRows(b, b.concat(parts, 1, "dqkv_heads"), h + 2 * kv, width, "dqkv"));
      return;
    }
    [dq, dk, dv].forEach((gradient, i) => {
      if (gradient !== null && gradient !== undefined && at.wants(i))
        at.give(i, inRows(b, gradient, i === 0 ? h : kv, width, `d${"qkv"[i] ?? ""}_rows`));
    });
  }
}
