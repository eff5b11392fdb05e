import { Flows } from "../../compiler/autodiff/flow.ts";
import { attribute } from "../../compiler/ir/attribute.ts";
import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { asTensor, tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { readsOf } from "../../compiler/ir/walk.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import { trainInputs, trainOutputs } from "../../compiler/ops/training.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import { integer, yesNo } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewDecoder, type DecoderView } from "../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../compiler/recognize/known-shapes.ts";
import { Elements } from "../../compiler/recognize/symbolic/elements.ts";
import { admitFunctions } from "../_module.ts";
import { chunkBody, type ChunkBody } from "./_chunk-body.ts";
import { describeTraining } from "./_describe.ts";
import { multiplyExactly } from "./_exact-products.ts";
import { trainedHead, type Head } from "./_head.ts";
import { labelledRows, type LabelledRows } from "./_labelled-rows.ts";
import { describeParameters, trainedIn, type Trained } from "./_parameters.ts";
import { addSeed } from "./_seeds.ts";

export interface TokenLossOptions {
  /** Whether the loss is to be differentiated. */
  readonly gradients: boolean;
  /** Rows of a chunk; 0 for as many as fit. */
  readonly rows: number;
}

/** Bytes of a chunk's logits, as floats: of several sizes that were measured the one that takes least memory and time. */
const CHUNK_BYTES = 8 * 2 ** 20;
/** Rows of a chunk at least, however large the vocabulary: the head's weight is read once for each chunk. */
const LEAST_ROWS = 64;
/** Rows of a chunk where nothing tells the vocabulary. */
const USUAL_ROWS = 128;

/**
 * Makes a decoder that gives logits one that gives the loss of its tokens, without ever holding all logits.
 *
 * Before: `logits = head (hidden)`, of all positions.
 * After: `loss, tokens = … Loop (chunks) <body: head, cross-entropy, and back through the head> (hidden, labels)`. The
 * loop goes over positions that have a label; its results are the gradients of the hidden value and of the head's
 * weights, where these are trained, noted by `tfc.Seed` for the pass that goes on with them.
 *
 * Refuses a head that does not make logits of each position by itself, and one with ops that have no gradient.
 */
export const tokenLoss: Pass<TokenLossOptions, NodeVisitor> = {
  name: "token-loss",
  summary: "compute the loss of tokens in chunks, and its gradient at the last hidden state",
  options: {
    gradients: yesNo({ help: "differentiate the loss" }),
    rows: integer({ help: "rows of a chunk; 0 for as many as fit", default: 0, min: 0, max: 2 ** 31 - 1 }),
  },
  stats: ["rows"],
  requires: [],
  walk: nodesIn(),
  visitor: ({ model, options, rewriter, analysis, count }) => ({
    model: {
      exit: () => {
        admitFunctions(model, rewriter);
        multiplyExactly(model, rewriter);
        describeParameters(model, rewriter);
        const parameters = options.gradients ? trainedIn(model) : [];
        const rows = write(model, analysis(viewDecoder), parameters, options.rows, rewriter);
        count("rows", rows);
      },
    },
  }),
};

/** @returns rows of a chunk at most */
function write(
  model: Model,
  view: DecoderView,
  parameters: readonly Trained[],
  wished: number,
  rw: Rewriter,
): number {
  const { graph } = model;
  const { shapes } = new Elements(knownShapes(view));
  const head = trainedHead(model, view, shapes, rw);
  const b = new Builder(rw, atEnd(graph), { namesNodes: false });
  const labels = labelsInput(model, rw);
  const varied = variedIn(model, head, parameters);
  const scale =
    parameters.length > 0 && elementTypeOf(head.hidden) === "float16" ? lossScaleInput(model, rw) : null;
  while (graph.outputs.length > 0) rw.removeOutput(graph, graph.outputs.length - 1);
  const most = wished === 0 ? rowsOf(head) : wished;
  const labelled = labelledRows(b, labels, most);
  const tokens = b.op("Squeeze", [labelled.count, b.ints([0])], trainOutputs.tokens);
  const one = b.constant("float", [], [1], "one");
  const divisor = b.op("Max", [b.cast(tokens, "float", "float_tokens"), one], "loss_divisor");
  // No Reshape: onnxruntime 1.30 moves a DequantizeLinear in front of it behind it, and aborts where a loop reads the result.
  const rows = b.op("Flatten", [head.hidden], "hidden_rows", { axis: attribute.int(head.rank - 1) });
  const unit = parameters.length > 0 ? b.op("Div", [scale ?? one, divisor], "gradient_unit") : null;
  const wanted = [...varied].filter((value) => value !== head.hidden);
  const task = { head, labelled, rows, unit, givesRows: varied.has(head.hidden), wanted };
  const results = loop(b, chunkBody(model, task, rw), labelled);
  dropDeclared(model, rw);
  const loss = b.op("Div", [results.loss, divisor], trainOutputs.loss);
  giveScalar(model, loss, "float", rw);
  giveScalar(model, tokens, "int64", rw);
  for (const [value, gradient] of results.carried) addSeed(b, model, value, typedLike(b, gradient, value));
  if (results.rows !== null)
    addSeed(b, model, head.hidden, scattered(b, head.hidden, rows, labelled, results.rows));
  describeTraining(model, rw, { lossScale: scale !== null, vocabulary: head.vocabulary });
  return most;
}

function giveScalar({ graph }: Model, value: Value, dtype: DType, rw: Rewriter): void {
  rw.setType(value, tensorType(dtype, []));
  rw.setOutput(graph, graph.outputs.length, value);
}

/** A float gradient in the type of what it is of. */
function typedLike(b: Builder, gradient: Value, value: Value): Value {
  const dtype = elementTypeOf(value) ?? "float";
  return dtype === "float" ? gradient : b.cast(gradient, dtype, `${gradient.name ?? "gradient"}_typed`);
}

function rowsOf({ vocabulary }: Head): number {
  if (vocabulary === null) return USUAL_ROWS;
  return Math.max(LEAST_ROWS, Math.floor(CHUNK_BYTES / (4 * vocabulary)));
}

function labelsInput({ graph, loc }: Model, rw: Rewriter): Value {
  const ids = graph.inputs.find(({ name }) => name === trainInputs.ids);
  const labels = rw.value(
    loc,
    trainInputs.labels,
    tensorType("int64", asTensor(ids?.type)?.shape ?? [null, null]),
  );
  rw.addInput(graph, labels);
  return labels;
}

function lossScaleInput({ graph, loc }: Model, rw: Rewriter): Value {
  const value = rw.value(loc, trainInputs.lossScale, tensorType("float", []));
  rw.addInput(graph, value);
  return value;
}

/** What the head reads from outside that depends on what is trained. */
function variedIn(model: Model, head: Head, parameters: readonly Trained[]): ReadonlySet<Value> {
  const members = new Set(head.nodes);
  const read = new Set<Value>();
  for (const node of head.nodes)
    for (const value of readsOf(node))
      if (value.producer === null || !members.has(value.producer)) read.add(value);
  const before = [...model.graph.nodes].filter((node) => !members.has(node));
  const wanted = parameters.map(({ value }) => value);
  const { values } = new Flows(model).between(before, wanted, read);
  return new Set([...read].filter((value) => values.has(value)));
}

/** What an imported graph said of values holds no longer where they are of a chunk. */
function dropDeclared({ graph }: Model, rw: Rewriter): void {
  const values = graph.declared?.values ?? [];
  rw.setDeclared(graph, { outputs: [], values: values.filter(({ value }) => value?.scope === graph) });
}

interface LoopResults {
  /** Sum of all losses, float `[]`. */
  readonly loss: Value;
  /** Float gradients of values from outside. */
  readonly carried: readonly (readonly [value: Value, gradient: Value])[];
  /** `[M, C, hidden]` */
  readonly rows: Value | null;
}

function loop(b: Builder, { graph, carried, givesRows }: ChunkBody, { trips }: LabelledRows): LoopResults {
  const names = carried.map(({ name }) => `d_${name ?? "weight"}`);
  const first = carried.map((value, i) => {
    const sizes = b.op("Shape", [value], `${names[i] ?? ""}_sizes`);
    return b.filled(sizes, "float", 0, `${names[i] ?? ""}_first`);
  });
  const operands = [trips, null, b.constant("float", [], [0], "no_loss"), ...first];
  const results = ["loss_sum", ...names, ...(givesRows ? ["d_rows_of_chunks"] : [])];
  const node = b.node("Loop", operands, results, { body: attribute.graph(graph) });
  return {
    loss: node.result,
    carried: carried.flatMap((value, i) => {
      const gradient = node.output(i + 1);
      return gradient === null ? [] : [[value, gradient] as const];
    }),
    rows: givesRows ? node.output(carried.length + 1) : null,
  };
}

/** The gradients of labelled rows where they belong, zeros elsewhere: of the hidden value's shape. */
function scattered(
  b: Builder,
  hidden: Value,
  rows: Value,
  { rows: places, count }: LabelledRows,
  of: Value,
): Value {
  const width = b.dim(rows, 1, "row_width");
  const flat = b.slice(b.shaped(of, [-1, width], "d_chunk_rows"), 0, count, 0, "d_labelled_rows"); // [N, hidden]
  const sizes = b.op("Shape", [rows], "rows_sizes");
  const none = b.filled(sizes, elementTypeOf(hidden) ?? "float", 0, "d_no_rows");
  const all = b.op("ScatterND", [none, b.unsqueeze(places, [1], "row_places"), flat], "d_rows");
  return b.op("Reshape", [all, b.op("Shape", [hidden], "hidden_sizes")], `d_${hidden.name ?? "hidden"}`);
}
