import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import { attribute } from "../../../compiler/ir/attribute.ts";
import { dtypeNumber, dtypeOf, type HalfType } from "../../../compiler/ir/dtype.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { constantOf } from "../../../compiler/ops/constant.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import { has } from "../../../compiler/ops/table.ts";
import { HalfFunctions } from "./_functions.ts";
import { Slots } from "./_slots.ts";
import { HalfValues, type Kind, type Want } from "./_values.ts";
import type { Kept } from "./_kept.ts";

type Opsets = ReadonlyMap<string, number>;

/**
 * Converts graphs, node by node in order: what computes with values of the model's type gives such values; what computes
 * with float32 alone, positions and masks, stays until it meets them.
 */
export class HalfGraphs {
  readonly values: HalfValues;
  readonly slots: Slots;
  readonly #rw: Rewriter;
  readonly #to: HalfType;
  readonly #kept: Kept;
  readonly #functions: HalfFunctions;
  /** Values that are made of constants alone. */
  readonly #fixed = new Set<Value>();
  /** Values that depend on what the model computes, of any type: not positions, masks and sizes. */
  readonly #computed = new Set<Value>();
  #opsets: Opsets;

  constructor(model: Model, rw: Rewriter, to: HalfType, provider: Provider | null, kept: Kept) {
    this.#rw = rw;
    this.#to = to;
    this.#kept = kept;
    this.#opsets = model.opsets;
    this.slots = new Slots(to, provider);
    this.values = new HalfValues(rw, to, this.slots, (node) => this.#canBeHalf(node));
    this.#functions = new HalfFunctions(model, rw, this);
  }

  /** Notes what a value of a graph that is entered holds. */
  enter(value: Value, kind: Kind): void {
    this.values.set(value, kind);
    if (kind === "half") this.#computed.add(value);
  }

  graph(graph: Graph, opsets: Opsets = this.#opsets): void {
    const outer = this.#opsets;
    this.#opsets = opsets;
    for (const value of graph.initializers) if (!value.isInput) this.#fixed.add(value);
    for (const node of [...graph.nodes]) this.#node(node);
    this.#opsets = outer;
  }

  #node(node: Node): void {
    if (this.#functions.convert(node)) return;
    if (node.subgraphs.length > 0) {
      this.#holder(node);
      return;
    }
    this.slots.noteResults(node, this.#opsets);
    const isFixed = (value: Value | null): boolean =>
      value === null || this.#fixed.has(value) || isConstant(value);
    if (node.inputs.every(isFixed)) this.#ofConstants(node);
    else if (node.op === "Cast" && this.#cast(node)) return;
    else if (node.op === "CastLike") this.#castLike(node);
    else if (has(node, "shape")) this.#shape(node);
    else if (node.op === "ConstantOfShape" && this.slots.isFloat(node.output(0)))
      this.values.set(node.result, "open");
    else this.#op(node);
  }

  /** What is made of constants is for each reader what that reads. */
  #ofConstants(node: Node): void {
    for (const value of node.outputs) {
      this.#fixed.add(value);
      if (this.slots.isFloat(value)) this.values.set(value, "open");
      else if (this.slots.typeOf(value) === this.#to) this.values.set(value, "half");
    }
  }

  /** Any other node, by what it reads. */
  #op(node: Node): void {
    const kept = this.#kept.nodes.get(node);
    const kinds = node.inputs.map((value) => this.values.kindOf(value));
    // Weights are of the model's type, whatever is multiplied with them.
    const isProduct =
      has(node, "product") && kept === undefined && node.inputs.some((value) => this.#isComputed(value));
    const isHalf = kinds.includes("half") || isProduct;
    const isFloat = kinds.includes("float");
    if (!isHalf && !isFloat && !kinds.includes("open")) {
      this.#finish(node, "float");
      return;
    }
    // Rows of tables, such as embeddings, and numbers put in places have the model's type.
    const wanted = kept === undefined && (isHalf || !isFloat);
    const isPossible = wanted && this.#canBeHalf(node) && this.slots.hasKernel(node, this.#opsets);
    const isQuantizing = has(node, "quantize") || has(node, "dequantize");
    if (isPossible && !isQuantizing) {
      this.#half(node);
      return;
    }
    this.#read(node, () => kept ?? (isHalf ? "exact" : "within"));
    this.#finish(node, "float");
    if (kept === undefined && isHalf) for (const value of node.outputs) this.#end(value);
  }

  #half(node: Node): void {
    const opsets = this.#opsets;
    this.#read(node, (i) => (this.slots.canInput(node, i, opsets) ? "half" : "exact"));
    // Whatever the type of its operands, the softmax inside is made in float32.
    if (node.op === "Attention" && node.int("softmax_precision") === undefined)
      this.#rw.setAttribute(node, "softmax_precision", attribute.int(dtypeNumber("float")));
    this.#finish(node, "half");
  }

  #shape(node: Node): void {
    const [of] = node.inputs;
    // The shape of a constant is no reason to keep it as it was.
    if (of && this.values.kindOf(of) === "open") this.#rw.setInput(node, 0, this.values.as(of, "half"));
  }

  #read(node: Node, want: (index: number) => Want | "within"): void {
    node.inputs.forEach((value, i) => {
      if (value === null) return;
      const wanted = want(i);
      this.#rw.setInput(
        node,
        i,
        wanted === "within" ? this.values.within(value) : this.values.as(value, wanted),
      );
    });
  }

  #isComputed(value: Value | null): boolean {
    return value !== null && this.#computed.has(value);
  }

  /** Notes what a node's results are, and casts back where that is done. */
  #finish(node: Node, kind: Kind): void {
    const isComputed = kind === "half" || node.inputs.some((value) => this.#isComputed(value));
    node.outputs.forEach((value, i) => {
      if (isComputed) this.#computed.add(value);
      if (!this.slots.isFloat(value)) return;
      const isHalf = kind === "half" && this.slots.canOutput(node, i, this.#opsets);
      this.values.set(value, isHalf ? "half" : "float");
    });
    for (const value of [...node.outputs]) if (this.#kept.ends.has(value)) this.#end(value);
  }

  /** Casts a value back for all that read it, unless the graph does that itself, or stays in float32. */
  #end(value: Value): void {
    if (this.values.kindOf(value) !== "float" || value.uses.size === 0) return;
    if (!value.isOutput && [...value.users].every((node) => this.#kept.nodes.has(node))) return;
    const [user, ...more] = value.users;
    if (user?.op === "Cast" && user.int("to") === FLOAT && more.length === 0 && !value.isOutput) return;
    const uses = new Set(value.uses);
    const narrow = this.values.cast(value, this.#to);
    this.#computed.add(narrow);
    this.#rw.replaceUses(value, narrow, (use) => uses.has(use));
    this.values.set(narrow, "half");
  }

  /** @returns whether it is one between float32 and another type, or back */
  #cast(node: Node): boolean {
    const source = node.input(0);
    if (source === null) return false;
    const kept = this.#kept.nodes.has(node);
    const [from, to] = [this.values.kindOf(source), dtypeOf(node.int("to") ?? 0)];
    if (this.#computed.has(source)) this.#computed.add(node.result);
    if (to === this.#to) this.values.set(node.result, "half");
    if (to !== "float") return true;
    if (from === null) {
      // Of integers and booleans: what depends on the model's own results is in its type.
      const isHalf = !kept && this.#computed.has(source);
      if (isHalf) this.#retype(node);
      else this.values.set(node.result, "float");
      return true;
    }
    // Hugging Face casts up to float32 and back; in float32 both are casts to what a value is already.
    if (kept) this.#rw.setInput(node, 0, this.values.as(source, "exact"));
    if (kept || from === "half") this.values.set(node.result, "float");
    else if (from === "float") this.#retype(node);
    else this.values.set(node.result, "open");
    return true;
  }

  #retype(node: Node): void {
    this.#rw.setAttribute(node, "to", attribute.int(dtypeNumber(this.#to)));
    this.values.set(node.result, "half");
    this.#computed.add(node.result);
  }

  #castLike(node: Node): void {
    const like = node.input(1);
    const kind = this.values.kindOf(like);
    if (like !== null && kind === "open") this.#rw.setInput(node, 1, this.values.as(like, "half"));
    this.#finish(node, kind === "float" ? "float" : "half");
  }

  /** A node that holds graphs: what goes in and out of them has one type. */
  #holder(node: Node): void {
    if (node.op === "If") this.#branches(node);
    else if (node.op === "Loop") this.#body(node, { state: 2, inside: 2, results: 1 });
    else if (node.op === "Scan") this.#body(node, { state: 0, inside: 0, results: 0 });
    else {
      const place = { ...placeOf(node), pass: "convert-dtype" };
      throw inputError("DTYPE_UNSUPPORTED", place, {
        to: this.#to,
        why: `${node.op} holds a graph`,
        inWay: "model",
      });
    }
  }

  #branches(node: Node): void {
    for (const graph of node.subgraphs) this.graph(graph);
    this.slots.noteResults(node, this.#opsets);
    node.outputs.forEach((value, i) => {
      if (!this.slots.isFloat(value)) return;
      const kinds = node.subgraphs.map(({ outputs }) => this.values.kindOf(outputs[i] ?? null));
      const isFloat = this.#kept.nodes.has(node) || (kinds.includes("float") && !kinds.includes("half"));
      const kind = isFloat || !this.slots.canOutput(node, i, this.#opsets) ? "float" : "half";
      for (const graph of node.subgraphs) this.#give(graph, i, kind);
      this.#result(value, kind);
    });
  }

  /** A Loop's or Scan's: what is carried has the type that it begins with, what is scanned that of the model. */
  #body(node: Node, at: { readonly state: number; readonly inside: number; readonly results: number }): void {
    const [body] = node.subgraphs;
    if (body === undefined) return;
    const carried = node.inputs.slice(at.state).map((value, j) => {
      const inner = body.inputs[at.inside + j];
      if (!this.slots.isFloat(value) || value === null || inner === undefined) return null;
      // A number that begins as a constant counts; a tensor of them gathers what the model computes.
      const own = this.values.kindOf(value);
      const isNumber = own === "open" && constantOf(value)?.size === 1;
      const isFloat = this.#kept.nodes.has(node) || own === "float" || isNumber;
      const kind = isFloat || !this.slots.canInput(node, at.state + j, this.#opsets) ? "float" : "half";
      this.#rw.setInput(node, at.state + j, this.values.as(value, kind === "half" ? "half" : "exact"));
      this.slots.note(inner, "float");
      this.enter(inner, kind);
      return kind;
    });
    this.graph(body);
    this.slots.noteResults(node, this.#opsets);
    node.outputs.forEach((value, j) => {
      const given = body.outputs[at.results + j];
      if (given === undefined || !(this.slots.isFloat(value) || this.slots.isFloat(given))) return;
      this.slots.note(value, "float");
      const own = this.values.kindOf(given) === "float" ? "float" : "half";
      const states =
        node.op === "Scan" ? node.inputs.length - (node.int("num_scan_inputs") ?? 0) : carried.length;
      const kind = (j < states ? carried[j] : null) ?? own;
      this.#give(body, at.results + j, kind);
      this.#result(value, kind);
    });
  }

  #result(value: Value, kind: Kind): void {
    this.values.set(value, kind);
    if (kind === "half") this.#computed.add(value);
  }

  /** Has a graph give one of its results in a type. */
  #give(graph: Graph, index: number, kind: Kind): void {
    const value = graph.outputs[index];
    if (value === undefined) return;
    const wanted = this.values.as(value, kind === "half" ? "half" : "exact");
    if (wanted !== value)
      this.#rw.replaceUses(
        value,
        wanted,
        (use) => use.kind === "output" && use.graph === graph && use.index === index,
      );
    const given = graph.outputs[index];
    if (given !== undefined) this.values.set(given, kind);
  }

  /** Whether what a node does can be done in the type: not where some operand or result has float32 by definition. */
  #canBeHalf(node: Node): boolean {
    const opsets = this.#opsets;
    const first = node.inputs.findIndex((value) => this.slots.isFloat(value));
    const result = node.outputs.findIndex((value) => this.slots.isFloat(value));
    return (
      (first < 0 || this.slots.canInput(node, first, opsets)) &&
      (result < 0 || this.slots.canOutput(node, result, opsets))
    );
  }
}

const FLOAT = dtypeNumber("float");

function isConstant(value: Value): boolean {
  return value.producer === null && constantOf(value) !== null;
}
