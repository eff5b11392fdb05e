import { attribute } from "../../compiler/ir/attribute.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { before, Builder, END } from "../../compiler/ir/builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { asTensor, type Dim } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import {
  LOGITS_DIM,
  LOGITS_KEY,
  logitsForms,
  logitsInputs,
  type LogitsForm,
} from "../../compiler/ops/logits.ts";
import { choice } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { blocks, type BlockVisitor } from "../../compiler/recognize/blocks.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../compiler/recognize/known-shapes.ts";
import { logitsCut, type LogitsCut } from "../../compiler/recognize/model/logits.ts";
import { Elements } from "../../compiler/recognize/symbolic/elements.ts";

/** By `last` it is the last position, and no input chooses. */
type Form = LogitsForm | "last";

interface LastLogitsOptions {
  readonly by: Form;
}

/** The first IR version in which an input's default can be fed. */
const FIRST_WITH_DEFAULTS = 4;

/**
 * Computes logits of the positions that an input chooses, instead of all.
 *
 * Before: `norm (h)`, `logits = MatMul (…, head)`, h `[batch, positions, width]`.
 * After: `kept = Slice (h, -num_logits_to_keep, end)` in front of the norm. The input is 1 where it is not fed, and all
 * positions where it is 0. By rows: `kept = GatherND (h, logits_indices)`, of flat tokens `Gather`.
 *
 * Refuses a graph in which a position's logits depend on other positions behind that place, and one that chooses already;
 * by `last`, it leaves such a graph as it is.
 */
export const lastLogits: Pass<LastLogitsOptions, BlockVisitor> = {
  name: "last-logits",
  summary: "compute logits of chosen positions only",
  options: {
    by: choice({ help: "how positions are chosen", default: "count", of: [...logitsForms, "last"] }),
  },
  stats: ["outputs"],
  requires: [],
  walk: blocks,
  visitor: ({ model, options, rewriter, analysis, count }) => ({
    model: {
      exit: () => {
        const view = analysis(viewDecoder);
        const { shapes } = new Elements(knownShapes(view));
        const cut = logitsCut(model, view, shapes);
        if (options.by === "last" && ("why" in cut || cut.isFlat)) return;
        if ("why" in cut) throw refused(model, options.by, cut.why);
        const by = cut.isFlat ? "rows" : options.by;
        if (by === "count" && model.irVersion < FIRST_WITH_DEFAULTS)
          throw refused(model, by, `IR version ${model.irVersion} has no inputs with defaults`);
        choose(model, cut, by, rewriter);
        count("outputs", cut.outputs.length);
      },
    },
  }),
};

function refused(model: Model, by: Form, why: string): Error {
  const option = by === "rows" ? "lastLogits: rows" : "lastLogits";
  return inputError("LAST_LOGITS_REFUSED", { file: model.loc.file, pass: "last-logits" }, { option, why });
}

function choose(model: Model, cut: LogitsCut, by: Form, rw: Rewriter): void {
  const first = earliest(model, cut.readers);
  const b = new Builder(rw, before(first));
  const input = by === "last" ? null : inputOf(model, cut, by, rw);
  const at = input === null ? -1 : by === "count" ? negative(input, cut, b) : rowsOf(input, cut, b);
  for (const value of cut.values) {
    const name = `${value.name ?? "hidden"}_kept`;
    const kept =
      by === "rows" && typeof at !== "number"
        ? gathered(value, at, cut, name, b)
        : b.slice(value, at, END, cut.rank - 2, name);
    if (value.type !== undefined) rw.setType(kept, value.type);
    retype(kept, cut.rank, rw, by);
    for (const reader of cut.readers)
      reader.inputs.forEach((own, i) => {
        if (own === value) rw.setInput(reader, i, kept);
      });
  }
  for (const node of cut.nodes) for (const output of node.outputs) retype(output, cut.rank, rw, by);
  if (by !== "last") rw.setMeta(model, LOGITS_KEY, JSON.stringify({ input: logitsInputs[by], by }));
}

function earliest({ graph }: Model, nodes: readonly Node[]): Node {
  const all = new Set(nodes);
  const first = [...graph.nodes].find((node) => all.has(node));
  if (first === undefined) throw new Error("nobody reads what becomes logits");
  return first;
}

function inputOf({ graph, loc }: Model, { rank, isFlat }: LogitsCut, by: LogitsForm, rw: Rewriter): Value {
  const batch = isFlat ? [] : [batchOf(graph.outputs, rank)];
  const shape = by === "count" ? [] : [...batch, LOGITS_DIM];
  const type = { kind: "tensor", dtype: "int64", shape } as const;
  const value = rw.value(
    loc,
    logitsInputs[by],
    type,
    by === "count" ? tensorOf("int64", [], [1]) : undefined,
  );
  // The last position, where nobody says otherwise.
  if (by === "count") rw.addInitializer(graph, value);
  rw.addInput(graph, value);
  return value;
}

/** What the graph calls the size of a batch: the first dimension of an output that has positions. */
function batchOf(outputs: readonly Value[], rank: number): Dim {
  const shapes = outputs.map(({ type }) => asTensor(type)?.shape);
  return shapes.find((shape) => shape?.length === rank)?.[0] ?? null;
}

/**
 * -n as a vector of one element, 0 for all: where a Slice begins that ends at the end. It is computed beside the size of
 * the axis, (s - n) - s, so that providers keep it on the CPU, where the Slice reads it: what is computed of inputs alone
 * they take to the device, and copy back.
 */
function negative(input: Value, { values, rank }: LogitsCut, b: Builder): Value {
  const [value] = values;
  if (value === undefined) throw new Error("there is nothing to keep rows of");
  const size = b.dim(value, rank - 2, "positions");
  const begin = b.op("Sub", [size, input], "positions_before");
  return b.op("Sub", [begin, size], "positions_begin");
}

/** The rows as Gather wants them, or GatherND: an index for each row of a batch. */
function rowsOf(input: Value, { isFlat }: LogitsCut, b: Builder): Value {
  return isFlat ? input : b.unsqueeze(input, [2], "logits_rows");
}

function gathered(value: Value, at: Value, { isFlat, rank }: LogitsCut, name: string, b: Builder): Value {
  return isFlat
    ? b.op("Gather", [value, at], name, { axis: attribute.int(rank - 2) })
    : b.op("GatherND", [value, at], name, { batch_dims: attribute.int(1) });
}

/** As many positions as were chosen. */
function retype(value: Value, rank: number, rw: Rewriter, by: Form): void {
  const type = asTensor(value.type);
  if (type?.shape?.length !== rank) return;
  rw.setType(value, {
    kind: type.kind,
    dtype: type.dtype,
    shape: type.shape.with(rank - 2, by === "last" ? 1 : LOGITS_DIM),
  });
}
