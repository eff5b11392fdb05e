import { checkRules } from "../../compiler/autodiff/backward.ts";
import { differentiate } from "../../compiler/autodiff/differentiate.ts";
import { Flows } from "../../compiler/autodiff/flow.ts";
import { Forward } from "../../compiler/autodiff/forward.ts";
import { FunctionGradients } from "../../compiler/autodiff/functions.ts";
import { attribute } from "../../compiler/ir/attribute.ts";
import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import type { DType } from "../../compiler/ir/dtype.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { asTensor, tensorType, type Dim } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import { Elements } from "../../compiler/recognize/symbolic/elements.ts";
import type { ShapeLike } from "../../compiler/recognize/symbolic/shapes.ts";
import { freePort } from "../_free-port.ts";
import type { Head } from "./_head.ts";
import type { LabelledRows } from "./_labelled-rows.ts";

/** What a chunk computes, beside the sum of its losses. */
export interface ChunkTask {
  readonly head: Head;
  readonly labelled: LabelledRows;
  /** `[R, hidden]`: rows of all positions */
  readonly rows: Value;
  /** float `[]`: what the gradient of each label's loss is multiplied by; null where no gradients are asked for */
  readonly unit: Value | null;
  /** Whether the gradient of the rows is asked for. */
  readonly givesRows: boolean;
  /** Values from outside whose gradients are asked for: weights of the head, and what is made of some. */
  readonly wanted: readonly Value[];
}

/** The body of a loop over chunks, and which of its results are what. */
export interface ChunkBody {
  readonly graph: Graph;
  /** Values from outside whose gradients are carried behind the loss, each float, in order. */
  readonly carried: readonly Value[];
  /** Whether the last result is the gradients of each chunk's rows. */
  readonly givesRows: boolean;
}

/**
 * Writes the graph of one chunk, and moves the nodes of the head into it: `(trip, goes_on, loss, gradients…) → (goes_on,
 * loss, gradients…, gradients of the rows)`.
 */
export function chunkBody(model: Model, task: ChunkTask, rw: Rewriter): ChunkBody {
  return new ChunkWriter(model, task, rw).write();
}

class ChunkWriter {
  readonly #model: Model;
  readonly #task: ChunkTask;
  readonly #rw: Rewriter;
  readonly #body: Graph;
  readonly #b: Builder;

  constructor(model: Model, task: ChunkTask, rw: Rewriter) {
    const { loc } = new Builder(rw, atEnd(model.graph));
    this.#model = model;
    this.#task = task;
    this.#rw = rw;
    this.#body = rw.graph(loc, "chunk");
    this.#b = new Builder(rw, atEnd(this.#body), { loc, opset: model.opset, namesNodes: false });
  }

  write(): ChunkBody {
    const [b, { labelled, unit }] = [this.#b, this.#task];
    const trip = this.#input("trip", "int64");
    const goesOn = this.#input("goes_on", "bool");
    const loss = this.#input("loss_so_far", "float");
    const own = (value: Value, name: string): Value => b.gather(value, trip, name);
    const isRow = b.unsqueeze(own(labelled.isRow, "is_row"), [1], "is_row_column"); // [C, 1]
    const rows = this.#rows(own(labelled.chunks, "row_indices"), isRow);
    const logits = this.#logits(rows); // [C, V]
    const label = this.#checked(b.unsqueeze(own(labelled.labels, "label"), [1], "label_column"), logits);
    const { shifted, sum, exponentials } = softmaxOf(b, logits, label);
    const each = b.op("Sub", [b.op("Log", [sum], "log_sum"), shifted], "losses"); // [C, 1]
    const none = b.constant("float", [], [0], "none");
    const counted = b.op("Where", [isRow, each, none], "counted_losses");
    const here = b.op("ReduceSum", [counted], "chunk_loss", { keepdims: attribute.int(0) });
    const results = [b.op("Identity", [goesOn], "goes_on_next"), b.op("Add", [loss, here], "loss_next")];
    const factor = unit === null ? null : b.op("Where", [isRow, unit, none], "unit_of_row"); // [C, 1]
    const back =
      factor === null
        ? { carried: [], next: [], rows: null }
        : this.#backward(rows, gradientOf(b, exponentials, sum, label, factor));
    [...results, ...back.next, ...(back.rows === null ? [] : [back.rows])].forEach((value, i) => {
      this.#rw.setName(value, freePort(this.#body, value.name ?? "result"));
      this.#rw.setOutput(this.#body, i, value);
    });
    return { graph: this.#body, carried: back.carried, givesRows: back.rows !== null };
  }

  #input(name: string, dtype: DType, shape: readonly Dim[] | undefined = []): Value {
    const value = this.#rw.value(this.#b.loc, freePort(this.#body, name), tensorType(dtype, shape));
    this.#rw.addInput(this.#body, value);
    return value;
  }

  /** The rows of a chunk as the head takes them, zeros where there is none: `[1, C, hidden]`, or `[C, hidden]`. */
  #rows(indices: Value, isRow: Value): Value {
    const [b, { head, rows }] = [this.#b, this.#task];
    const dtype = elementTypeOf(head.hidden) ?? "float";
    const chosen = b.gather(rows, indices, "chosen_rows");
    const none = b.constant(dtype, [], [0], "no_row");
    const own = b.op("Where", [isRow, chosen, none], "rows_or_zeros");
    const made = head.rank === 3 ? b.unsqueeze(own, [0], "head_rows") : own;
    const width = asTensor(head.hidden.type)?.shape?.at(-1) ?? null;
    this.#rw.setType(made, tensorType(dtype, [...(head.rank === 3 ? [1] : []), "chunk", width]));
    return made;
  }

  /** Moves the head in. @returns its logits as float `[C, V]` */
  #logits(rows: Value): Value {
    const [b, rw, { head }] = [this.#b, this.#rw, this.#task];
    for (const node of head.nodes) {
      if (this.#body.last !== null) rw.moveAfter(node, this.#body.last);
      node.inputs.forEach((value, i) => {
        if (value === head.hidden) rw.setInput(node, i, rows);
      });
      for (const output of node.outputs) this.#retype(output);
    }
    const matrix = head.rank === 3 ? b.op("Squeeze", [head.logits, b.ints([0])], "row_logits") : head.logits;
    return elementTypeOf(head.logits) === "float" ? matrix : b.cast(matrix, "float", "float_logits");
  }

  /** What a value of the head was declared as, with a chunk's rows in it. */
  #retype(value: Value): void {
    const type = asTensor(value.type);
    if (type === null) return;
    const { rank } = this.#task.head;
    const { dtype, shape } = type;
    const own = rank === 3 ? [1, "chunk"] : ["chunk"];
    this.#rw.setType(
      value,
      tensorType(dtype, shape?.length === rank ? [...own, ...shape.slice(rank - 1)] : undefined),
    );
  }

  /** A label that is no token's is refused by the run, and nothing is read outside of the logits. */
  #checked(label: Value, logits: Value): Value {
    const b = this.#b;
    const size = b.dim(logits, 1, "vocabulary"); // [1]
    const isNegative = b.op("Less", [label, b.int(0)], "is_negative");
    return b.gather(
      b.range(size, "token_range"),
      b.op("Where", [isNegative, size, label], "token_or_end"),
      "token",
    );
  }

  /** Goes back through the head. @param d float `[C, V]` */
  #backward(
    rows: Value,
    d: Value,
  ): { readonly carried: readonly Value[]; readonly next: readonly Value[]; readonly rows: Value | null } {
    const [b, rw, model, task] = [this.#b, this.#rw, this.#model, this.#task];
    const { head } = task;
    const dtype = elementTypeOf(head.logits) ?? "float";
    const typed = dtype === "float" ? d : b.cast(d, dtype, "typed_gradient");
    const seed = head.rank === 3 ? b.unsqueeze(typed, [0], "d_logits") : typed;
    const flows = new Flows(model);
    const wanted = new Set([...(task.givesRows ? [rows] : []), ...task.wanted]);
    checkRules(head.nodes, flows, flows.between(head.nodes, wanted, [head.logits]));
    const like = new Map<Value, ShapeLike>([[seed, { of: head.logits }]]);
    const calls = new FunctionGradients(model, rw, flows);
    const { shapes } = new Elements(like);
    calls.callShapes.learn(head.nodes, shapes, like);
    const found = differentiate(
      {
        ...{ nodes: head.nodes, seeds: new Map([[head.logits, seed]]), wanted, b, into: this.#body, like },
        ...{ forward: new Forward(b, (value) => value, like), shapes },
      },
      { model, flows, calls },
    );
    calls.dispose();
    const carried = task.wanted.filter((value) => found.has(value));
    const next = carried.map((value) => {
      const name = value.name ?? "weight";
      const so = this.#input(`d_${name}_so_far`, "float", undefined);
      const here = found.get(value) ?? so;
      const wide = elementTypeOf(value) === "float" ? here : b.cast(here, "float", `d_${name}_float`);
      return b.op("Add", [so, wide], `d_${name}_next`);
    });
    const gradient = found.get(rows) ?? null;
    const own =
      gradient === null
        ? null
        : head.rank === 3
          ? b.op("Squeeze", [gradient, b.ints([0])], "d_rows")
          : b.op("Identity", [gradient], "d_rows");
    return { carried, next, rows: own };
  }
}

interface Softmax {
  /** The label's logit less the largest of its row, `[C, 1]`. */
  readonly shifted: Value;
  /** Sum of the exponentials of a row, `[C, 1]`. */
  readonly sum: Value;
  /** `[C, V]` */
  readonly exponentials: Value;
}

/** Exponentials of logits less the largest of their row: none overflows, and a logit of −∞ counts for nothing. */
function softmaxOf(b: Builder, logits: Value, label: Value): Softmax {
  const largest = b.op("ReduceMax", [logits, b.ints([1])], "largest"); // [C, 1]
  const less = b.op("Sub", [logits, largest], "logits_less");
  const shifted = b.op("GatherElements", [less, label], "label_logit", { axis: attribute.int(1) });
  const exponentials = b.op("Exp", [less], "exponentials");
  const sum = b.op("ReduceSum", [exponentials, b.ints([1])], "exponential_sum");
  return { shifted, sum, exponentials };
}

/** (softmax − one at the label) · factor, `[C, V]`. */
function gradientOf(b: Builder, exponentials: Value, sum: Value, label: Value, factor: Value): Value {
  const share = b.op("Div", [factor, sum], "share"); // [C, 1]
  const chances = b.op("Mul", [exponentials, share], "chances");
  const own = b.op("GatherElements", [chances, label], "label_chance", { axis: attribute.int(1) });
  const less = b.op("Sub", [own, factor], "label_gradient");
  return b.op("ScatterElements", [chances, label, less], "d_float_logits", { axis: attribute.int(1) });
}
