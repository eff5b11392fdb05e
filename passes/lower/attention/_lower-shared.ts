import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import { passError } from "../../../compiler/diagnostics/error.ts";
import { before, Builder } from "../../../compiler/ir/builder.ts";
import { madeBy } from "../../../compiler/ir/entity.ts";
import { FunctionBuilder } from "../../../compiler/ir/function-builder.ts";
import { Func, type Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { dropIfUnread, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { asTensor, tensorType, type ValueType } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { HeadRows } from "../../../compiler/recognize/attention/rows.ts";
import type { ShapesLike } from "../../../compiler/recognize/symbolic/shapes.ts";
import { TFC_DOMAIN } from "../../../compiler/sites/site.ts";
import { freeName } from "../../../compiler/sites/free-name.ts";
import { admitFunctions } from "../../_module.ts";
import {
  groupedQuery,
  groupedQueryOp,
  groupedQueryOperands,
  withoutTail,
  type GroupedQueryForm,
  type GroupedQueryOperand,
} from "./_grouped-query.ts";
import { MaskBiases } from "./_mask-bias.ts";
import type { PositionConstants } from "./_position-tables.ts";
import type { SharedCaches } from "./_shared-caches.ts";
import { freshOperands } from "./_shared-operands.ts";
import type { SharedAttention } from "./_sharing.ts";

/** What attention is written for: what is known of shapes, and what all attention of a model reads. */
export interface LoweringFor {
  readonly like: ShapesLike;
  readonly caches: SharedCaches;
  readonly tables: PositionConstants;
}

/** Writes attention whose caches are buffers of a fixed length, all of a model's alike. */
export class SharedLowering {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #like: ShapesLike;
  readonly #rows: HeadRows;
  readonly #biases: MaskBiases;
  readonly #functions = new Map<string, Func>();
  readonly #caches: SharedCaches;
  readonly #tables: PositionConstants;

  constructor(model: Model, rw: Rewriter, { like, caches, tables }: LoweringFor) {
    this.#model = model;
    this.#rw = rw;
    this.#like = like;
    this.#rows = new HeadRows(like);
    this.#caches = caches;
    this.#tables = tables;
    this.#biases = new MaskBiases(rw, model.graph);
  }

  /** @throws TfcError KV_SHARED_REFUSED where something else reads a cache */
  lower(attention: SharedAttention): void {
    const { exact, key, value } = attention;
    const product = exact.context.producer;
    if (product === null) return;
    const caches = this.#caches;
    const b = new Builder(this.#rw, before(product));
    const below = this.#rows.below(exact.context);
    const fresh = freshOperands(b, { rows: this.#rows, like: this.#like }, attention);
    const form = { ...attention.form, isPacked: fresh.key === null };
    const given: readonly (readonly [GroupedQueryOperand, Value | null])[] = [
      ...([
        ["query", fresh.query],
        ["key", fresh.key],
        ["value", fresh.value],
      ] as const),
      ...this.#tablesOf(attention),
      ["past_key", key.past],
      ["past_value", value.past],
      ["seqlens_k", caches.last],
      ["total_sequence_length", caches.total],
      ["attention_bias", form.hasMask || attention.isOpen ? this.#biasOf(attention, caches) : null],
      ["fits", caches.fits],
      ["past_tokens", caches.past],
      ["head_sink", exact.sinks === null ? null : this.#sinksOf(b, exact.sinks, form.heads)],
    ];
    const operands = new Map(given.flatMap(([name, one]) => (one === null ? [] : [[name, one] as const])));
    const [output, keys, values] = this.#attend(b, { ...attention, form }, operands);
    if (output === undefined || keys === undefined || values === undefined) return;
    this.#rw.setType(output, rowsType(attention));
    if (below === null) takeOver(this.#rw, exact.context, inHeads(b, output, form));
    else takeOver(this.#rw, below, output);
    dropIfUnread(this.#rw, [exact.context, below]);
    for (const { past, present, join, copies, given, returned } of [key, value]) {
      const readers = [join, ...copies.map(({ producer }) => producer)];
      for (const one of [past, ...copies]) refuseReaders(one, [...readers, output.producer]);
      refuseReaders(present, [present === returned ? null : returned.producer]);
      if (given !== past) refuseReaders(given, [past.producer]);
    }
    caches.bind(key, keys, attention.dtype);
    caches.bind(value, values, attention.dtype);
  }

  #tablesOf({ rotary }: SharedAttention): readonly (readonly [GroupedQueryOperand, Value])[] {
    if (rotary === null || "why" in rotary) return [];
    const { cos, sin } = rotary.query;
    return [
      ["cos_cache", this.#tables.of(cos, "cos")],
      ["sin_cache", this.#tables.of(sin, "sin")],
    ];
  }

  #biasOf({ mask, dtype, isMaskWide }: SharedAttention, { counts }: SharedCaches): Value {
    return this.#biases.of({ mask, dtype, sizes: isMaskWide ? null : [counts.steps, counts.total] });
  }

  #sinksOf(b: Builder, sinks: Value, heads: number): Value {
    if (sinks.constant?.shape.length === 1) return sinks;
    return b.reshape(sinks, [heads], `${sinks.name ?? "sinks"}_flat`);
  }

  #attend(
    b: Builder,
    { exact, form, isOpen }: SharedAttention,
    operands: ReadonlyMap<string, Value>,
  ): readonly Value[] {
    const name = exact.context.name ?? "attention";
    const names = [`${name}_rows`, `${name}_keys`, `${name}_values`];
    if (!isOpen) {
      if (!this.#model.opsets.has("com.microsoft")) this.#rw.setOpset(this.#model, "com.microsoft", 1);
      return groupedQueryOp(b, form, operands, names);
    }
    const func = this.#functionOf(form, exact.context);
    const inputs = groupedQueryOperands.map((operand) => operands.get(operand) ?? null);
    return b.node(`${TFC_DOMAIN}::${func.name}`, withoutTail(inputs), names).outputs;
  }

  #functionOf(form: GroupedQueryForm, at: Value): Func {
    const key = JSON.stringify(form);
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const name = freeName(this.#model, "GroupQueryAttention");
    const loc = madeBy("lower-attention", [at.loc]);
    const func = groupedQuery(new FunctionBuilder(this.#rw, loc, name, this.#model.opset), name, form);
    admitFunctions(this.#model, this.#rw);
    this.#rw.addFunction(this.#model, func);
    this.#functions.set(key, func);
    return func;
  }
}

/** @throws TfcError KV_SHARED_REFUSED */
function refuseReaders(cache: Value, allowed: readonly (Node | null)[]): void {
  const node = [...cache.users].find((one) => !allowed.includes(one));
  if (node === undefined) return;
  const why = `${node.op} "${node.name ?? ""}" reads the cache "${cache.name ?? ""}", too`;
  throw passError("KV_SHARED_REFUSED", placeOf(node), { why });
}

/** `[rows, tokens, heads · width]` */
function rowsType({ exact, form: { heads, width }, dtype }: SharedAttention): ValueType {
  const [rows = null, , tokens = null] = asTensor(exact.query.type)?.shape ?? [];
  return tensorType(dtype, [rows, tokens, heads * width]);
}

function inHeads(b: Builder, rows: Value, { heads, width }: GroupedQueryForm): Value {
  const name = rows.name ?? "attention";
  return b.transpose(b.reshape(rows, [0, 0, heads, width], `${name}_split`), [0, 2, 1, 3], `${name}_heads`);
}
