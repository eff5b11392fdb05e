import { before, Builder } from "../../compiler/ir/builder.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";

/** Hides a score: finite, so that padding that sees nothing but padding gives no NaN. */
const HIDDEN: Partial<Record<DType, number>> = { float16: -65504, bfloat16: -3.3895313892515355e38 };
const HIDDEN_FLOAT = -3.4028234663852886e38;

/** What is told attention of a batch of padded rows; each value is written once, where it is first asked for. */
export class Padding {
  readonly #b: Builder;
  readonly #mask: Value;
  readonly #biases = new Map<DType, Value>();
  readonly #channels = new Map<DType, Value>();
  /** Rows and tokens of a row, vectors of one element. */
  readonly rows: Value;
  readonly steps: Value;
  #positions: Value | null = null;
  #lengths: readonly [Value, Value] | null = null;

  /** @param b writes in front of all that reads */
  constructor(b: Builder, ids: Value, mask: Value) {
    this.#b = b;
    this.#mask = mask;
    this.rows = b.dim(ids, 0, "rows");
    this.steps = b.dim(ids, 1, "steps");
  }

  /** int64 `[B, S]`: 0, 1, 2, … behind the padding in front of a row, and 0 in it. */
  get positions(): Value {
    const b = this.#b;
    this.#positions ??= b.op(
      "Max",
      [b.op("Sub", [b.op("CumSum", [this.#mask, b.int(1)], "shown_so_far"), b.int(1)], "places"), b.int(0)],
      "sequence_positions",
    );
    return this.#positions;
  }

  /** int32 `[B]` and `[1]`: the last position of each row, and how many there are, padding among them. */
  get lengths(): readonly [last: Value, total: Value] {
    if (this.#lengths !== null) return this.#lengths;
    const b = this.#b;
    const total = b.cast(this.steps, "int32", "tokens_in_row");
    const last = b.op("Sub", [total, b.constant("int32", [1], [1], "one_token")], "last_token");
    this.#lengths = [b.op("Expand", [last, this.rows], "last_tokens"), total];
    return this.#lengths;
  }

  /** `[B, 1, S]`: 1 at tokens, 0 at padding. */
  channelMaskOf(dtype: DType): Value {
    const known = this.#channels.get(dtype);
    if (known !== undefined) return known;
    const b = this.#b;
    const made = b.unsqueeze(b.cast(this.#mask, dtype, `token_${dtype}`), [1], `token_channel_${dtype}`);
    this.#channels.set(dtype, made);
    return made;
  }

  /** What is added to scores, `[B, 1, S, S]`: hides padding. */
  biasOf(dtype: DType): Value {
    const known = this.#biases.get(dtype);
    if (known !== undefined) return known;
    const b = this.#b;
    const shown = b.unsqueeze(b.cast(this.#mask, "bool", `is_token_${dtype}`), [1, 2], `shown_${dtype}`);
    const [none, hidden] = [0, HIDDEN[dtype] ?? HIDDEN_FLOAT].map((number) =>
      b.constant(dtype, [], [number], `padding_${number === 0 ? "none" : "hidden"}_${dtype}`),
    );
    const row = b.op("Where", [shown, none ?? null, hidden ?? null], `padding_row_${dtype}`); // [B, 1, 1, S]
    const sizes = b.vector([this.rows, 1, this.steps, this.steps], `padding_sizes_${dtype}`);
    const bias = b.op("Expand", [row, sizes], `padding_${dtype}`);
    this.#biases.set(dtype, bias);
    return bias;
  }
}

type Hide = (node: Node, padding: Padding, b: Builder) => void;

/**
 * Ops that know of padding nothing, or only what lengths tell, which is wrong where it stands in front: they are given a
 * mask. Of
 * what has one already that is the exporter's way to say the same.
 */
export const hiders: ReadonlyMap<string, Hide> = new Map<string, Hide>([
  ["com.microsoft::GroupQueryAttention", hideInGrouped],
  ["Attention", hideInAttention],
  ["com.microsoft::MultiHeadAttention", hideInMultiHead],
  ["com.microsoft::CausalConvWithState", hideInConvolution],
]);

/** (q, k, v, past, past, seqlens_k, total, cos, sin, positions, bias, sink) */
function hideInGrouped(node: Node, padding: Padding, { rewriter: rw }: Builder): void {
  const [last, total] = padding.lengths;
  rw.setInput(node, 5, last);
  rw.setInput(node, 6, total);
  const isRotary = node.int("do_rotary") === 1;
  if (isRotary && node.input(9) === null) setBehind(node, 9, padding.positions, rw);
  const dtype = elementTypeOf(node.input(0));
  if (node.input(10) === null && dtype !== null) setBehind(node, 10, padding.biasOf(dtype), rw);
}

/** (q, k, v, mask, past, past, lengths): causal by itself, and from the first position on once there is no cache. */
function hideInAttention(node: Node, padding: Padding, { rewriter: rw }: Builder): void {
  if (node.input(6) !== null) rw.removeNodeInput(node, 6);
  const dtype = elementTypeOf(node.input(0));
  if (node.input(3) !== null || node.int("is_causal") !== 1 || dtype === null) return;
  setBehind(node, 3, padding.biasOf(dtype), rw);
}

/** (q, k, v, bias, key_padding_mask, attention_bias, past, past) */
function hideInMultiHead(node: Node, padding: Padding, { rewriter: rw }: Builder): void {
  const dtype = elementTypeOf(node.input(0));
  if (node.input(4) !== null || node.input(5) !== null || node.int("unidirectional") !== 1) return;
  if (dtype !== null) setBehind(node, 5, padding.biasOf(dtype), rw);
}

/** Sets an input of which those before it may be left out. */
function setBehind(node: Node, index: number, value: Value, rw: Builder["rewriter"]): void {
  for (let i = node.inputs.length; i < index; i++) rw.setInput(node, i, null);
  rw.setInput(node, index, value);
}

/** (x `[B, C, S]`, weights, …): padding in front of a row is as nothing to what comes behind it. */
function hideInConvolution(node: Node, padding: Padding, { rewriter: rw }: Builder): void {
  const [x, dtype] = [node.input(0), elementTypeOf(node.input(0))];
  if (x === null || dtype === null) return;
  const b = new Builder(rw, before(node));
  rw.setInput(node, 0, b.op("Mul", [x, padding.channelMaskOf(dtype)], `${x.name ?? "x"}_of_tokens`));
}
