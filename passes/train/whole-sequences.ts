import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { dropIfUnread, replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { asTensor, tensorType, type Dim } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { KV_LENGTH_KEY } from "../../compiler/ops/kv.ts";
import { LOGITS_KEY } from "../../compiler/ops/logits.ts";
import { opOf, ops } from "../../compiler/ops/table.ts";
import { trainInputs } from "../../compiler/ops/training.ts";
import { UNPADDED_KEY } from "../../compiler/ops/unpadded.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { headSizesIn } from "../../compiler/recognize/model/head-sizes.ts";
import type { Typed } from "../_ports.ts";
import { foldConditions } from "../prepare/_conditions.ts";
import { EmptyCaches, zerosOf } from "./_empty-caches.ts";
import { attendInRows } from "./_flat-tokens.ts";
import { hiders, Padding } from "./_padding.ts";
import { raiseOpset } from "../lower/_opset.ts";
import { PAGED_FUNCTION } from "../lower/attention/lower-paged-attention.ts";
import { takeOpOfShared } from "./_shared-buffers.ts";
import { refused, type Obstacle } from "./_refused.ts";
import { sequencePorts, type Counted, type SequencePorts } from "./_sequence-ports.ts";

/** From here on, comparisons, Min and Max take the types that are used. */
const OLDEST = 13;

/** What a graph of whole sequences calls its logits. */
const LOGITS = "logits";

/** Gradients are written in ops as they are from this version on. */
const GRADIENTS_SINCE = 18;

/** What a compiled decoder says of its steps. */
const OF_STEPS = [KV_LENGTH_KEY, LOGITS_KEY] as const;

/**
 * Makes a decoder of one step a decoder of whole sequences: it takes token ids and a mask, and gives logits.
 *
 * Before: `logits, presents = decoder (ids, mask, positions, pasts, lengths)`; or the same of flat tokens with a paged
 * cache.
 * After: `logits = decoder (input_ids, attention_mask)`, both int64 `[batch, tokens]`. Positions count the tokens that the
 * mask shows; caches are empty, and gone where that makes no difference: no copy of keys is left.
 *
 * Attention ops that are told lengths are given a mask as well, so that padding may stand on either side. Refuses inputs
 * that are none of a decoder's, and caches that something reads in a way in which nothing cannot be read.
 */
export const wholeSequences: Pass<object, NodeVisitor> = {
  name: "whole-sequences",
  summary: "make a decoder of steps with caches one of whole sequences without",
  options: {},
  stats: ["caches", "attention"],
  requires: [],
  walk: nodesIn(),
  visitor: ({ model, rewriter, sink, count }) => ({
    model: {
      exit: () => {
        const found = obstacle(model);
        if (found !== null) throw refused(model, found);
        const why = raiseOpset(model, rewriter, GRADIENTS_SINCE);
        for (const key of OF_STEPS) rewriter.removeMeta(model, key);
        takeOpOfShared(model, rewriter);
        const ports = why === null ? sequencePorts(model, headSizesIn(model)) : { why };
        if ("why" in ports) throw refused(model, ports.why);
        const made = rewrite(model, ports, rewriter);
        count("caches", ports.caches.length + ports.paged.length);
        count("attention", made.attention);
        if (!made.readsMask) sink.report("TRAIN_MASK_UNREAD", { file: model.loc.file }, {});
      },
    },
  }),
};

function obstacle({ opset, graph, meta }: Model): Obstacle | null {
  if (meta.has(UNPADDED_KEY))
    return { why: "it was compiled with `unpadded`, for a row without padding", isCompiled: true };
  if (opset < OLDEST) return { why: `it has opset ${opset}, older than ${OLDEST}` };
  const paged = [...graph.nodes].find((node) => opOf(node) === ops.get(PAGED_FUNCTION));
  return paged === undefined
    ? null
    : { why: `${paged.op}, which \`lowerPagedAttention\` wrote`, isCompiled: true };
}

function rewrite(
  model: Model,
  ports: SequencePorts,
  rw: Rewriter,
): { readonly attention: number; readonly readsMask: boolean } {
  const { graph } = model;
  const [first] = graph.nodes;
  if (first === undefined) throw refused(model, "it computes nothing");
  const { ids, mask } = newInputs(model, ports.tokens, rw);
  // What is written stands in front of a node that stays.
  const anchor = rw.insertBefore(first, rw.node({ op: "Identity", inputs: [ids], loc: first.loc }));
  const b = new Builder(rw, before(anchor));
  const padding = new Padding(b, ids, mask);
  onlyLogits(graph, ports, rw);
  feed(b, ports, { ids, mask, padding });
  foldConditions(graph, rw);
  let attention = ports.isFlat ? attendInRows(model, padding, rw) : 0;
  forget(b, model, ports, padding);
  for (const node of nodesDeep(graph)) {
    const hide = model.callee(node) === undefined ? hiders.get(node.op) : undefined;
    hide?.(node, padding, b);
    if (hide !== undefined && !ports.isFlat) attention++;
  }
  rw.remove(anchor);
  dropUnread(model, new Set([ids, mask]), rw);
  return { attention, readsMask: attention > 0 || ports.masks.length > 0 };
}

/** `input_ids` and `attention_mask`, int64 `[batch, tokens]`; the tokens' own input goes. */
function newInputs(
  model: Model,
  { dims, value }: Typed,
  rw: Rewriter,
): { readonly ids: Value; readonly mask: Value } {
  const { graph, loc } = model;
  const own = dims.length === 2 ? dims : [null, null];
  const shape: readonly Dim[] = [own[0] ?? "batch_size", own[1] ?? "sequence_length"];
  const [ids, mask] = [trainInputs.ids, trainInputs.mask].map((name) => {
    const made = rw.value(loc, name, tensorType("int64", shape));
    rw.addInput(graph, made);
    return made;
  });
  if (ids === undefined || mask === undefined) throw new Error(`no inputs beside ${value.name ?? ""}`);
  return { ids, mask };
}

/** Takes all outputs away but the logits, `[batch, tokens, vocabulary]`, of flat tokens `[batch · tokens, vocabulary]`. */
function onlyLogits(graph: Graph, { logits, isFlat }: SequencePorts, rw: Rewriter): void {
  const at = graph.outputs.indexOf(logits.value);
  const dropped = graph.outputs.filter((_, i) => i !== at);
  for (let i = graph.outputs.length - 1; i >= 0; i--) if (i !== at) rw.removeOutput(graph, i);
  dropIfUnread(rw, dropped);
  if (logits.value.name !== LOGITS) rw.setName(logits.value, LOGITS);
  const { type } = logits.value;
  const dtype = asTensor(type)?.dtype;
  // Flat tokens stay so: row by row, as labels are.
  if (isFlat && dtype !== undefined)
    rw.setType(logits.value, tensorType(dtype, [null, logits.dims[1] ?? null]));
}

interface Fed {
  readonly ids: Value;
  readonly mask: Value;
  readonly padding: Padding;
}

/** Gives the decoder what it has for its inputs now, in their types. */
function feed(b: Builder, ports: SequencePorts, { ids, mask, padding }: Fed): void {
  const rw = b.rewriter;
  const put = ({ value, dtype, name }: Typed, make: () => Value): void => {
    if (value.uses.size > 0) {
      const made = make();
      const typed = dtype === null || dtype === "int64" ? made : b.cast(made, dtype, `${name}_of_sequences`);
      rw.replaceUses(value, typed, ({ kind }) => kind === "input");
    }
  };
  const line = (value: Value, name: string): Value => (ports.isFlat ? b.reshape(value, [-1], name) : value);
  if (ports.isFlat)
    for (const { port, role } of ports.counted) if (role === "logitRows") takeAll(port.value, rw);
  put(ports.tokens, () => line(ids, "flat_ids"));
  for (const port of ports.masks) put(port, () => mask);
  for (const port of ports.positions) put(port, () => line(padding.positions, "flat_positions"));
  for (const { port, role } of ports.counted)
    put(port, () => countedOf(b, port, role, padding, ports.isFlat));
}

/** Removes what chooses rows of flat tokens: all are wanted, in their order. */
function takeAll(rows: Value, rw: Rewriter): void {
  for (const node of rows.users)
    if (node.op === "Gather" && node.input(1) === rows && (node.int("axis") ?? 0) === 0)
      replaceBy(rw, node, [node.input(0)]);
}

/** What a step is told of its lengths, where the past is empty, in the rank that the input has. */
function countedOf(
  b: Builder,
  { name, dims }: Typed,
  role: Counted,
  padding: Padding,
  isFlat: boolean,
): Value {
  const { rows, steps } = padding;
  if (role === "logitRows") {
    const all = isFlat ? b.op("Mul", [rows, steps], `${name}_count`) : steps;
    const range = b.range(all, `${name}_range`);
    return dims.length < 2
      ? range
      : b.op("Expand", [range, b.vector([rows, steps], `${name}_sizes`)], `${name}_rows`);
  }
  const number = ((): Value => {
    if (role === "total") return steps;
    if (role === "lastIndex") return b.op("Sub", [steps, b.ints([1])], `${name}_last`);
    // No past, no cache that is read, and the logits of all positions.
    return b.ints([0]);
  })();
  if (dims.length === 0) return b.op("Squeeze", [number, b.ints([0])], `${name}_number`);
  if (dims[0] === 1 && dims.length === 1) return number;
  return b.op(
    "Expand",
    [number, b.vector([rows, ...dims.slice(1).map(() => 1)], `${name}_sizes`)],
    `${name}_rows`,
  );
}

/** Removes caches; where something reads one all the same, a tensor of nothing is made for it. */
function forget(b: Builder, model: Model, ports: SequencePorts, { rows }: Padding): void {
  const rw = b.rewriter;
  const caches = new EmptyCaches(rw, rows);
  const made = new Map<string, Value>();
  for (const { value, port, sizes, places, room } of ports.caches) {
    if (places !== null) caches.fold({ value, sizes, places });
    if (value.uses.size === 0) continue;
    const reader = [...value.users][0];
    const by = `${reader?.op ?? "an output"} reads the cache "${port.name}"`;
    if (room !== null) throw refused(model, `${by}, a buffer of ${room} tokens`);
    if (sizes === null || port.dtype === null)
      throw refused(model, `${by}, and nothing tells how wide it is`);
    const key = `${port.dtype} ${sizes.join()}`;
    const zeros = made.get(key) ?? zerosOf(b, { value, sizes }, rows, port.dtype);
    made.set(key, zeros);
    rw.replaceUses(value, zeros);
  }
}

/** Removes the step's inputs, and what computed something for nobody. */
function dropUnread(model: Model, kept: ReadonlySet<Value>, rw: Rewriter): void {
  const { graph } = model;
  const unread = [...nodesDeep(graph)].flatMap(({ outputs }) =>
    outputs.filter(({ uses }) => uses.size === 0),
  );
  dropIfUnread(rw, unread);
  for (const value of [...graph.inputs]) {
    if (kept.has(value)) continue;
    if (value.constant === undefined && value.uses.size > 0) {
      const [reader] = value.users;
      throw refused(model, `${reader?.op ?? "an output"} reads the input "${value.name ?? ""}"`);
    }
    rw.removeInput(graph, value);
    if (value.uses.size === 0 && graph.initializers.has(value)) rw.removeInitializer(value);
  }
}
