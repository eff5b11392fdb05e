import { nodesDeep } from "../ir/walk.ts";
import { FunctionBuilder } from "../ir/function-builder.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Value } from "../ir/value.ts";
import { Elements } from "../recognize/symbolic/elements.ts";
import type { ShapeLike } from "../recognize/symbolic/shapes.ts";
import { freeName } from "../sites/free-name.ts";
import { TFC_DOMAIN } from "../sites/site.ts";
import { CallShapes } from "./call-shapes.ts";
import { differentiate, type Backward, type CallRule } from "./differentiate.ts";
import type { Flow, Flows } from "./flow.ts";
import { Forward } from "./forward.ts";
import type { Gradients } from "./gradients.ts";

/** What a gradient function takes: an operand of the call, a value that the forward kept, or a result's gradient. */
type Source =
  | { readonly kind: "operand" | "gradient"; readonly index: number }
  | { readonly kind: "kept"; readonly value: Value };

/** The gradient of a function, for some of its operands and results. */
interface GradientFunction {
  readonly func: Func;
  readonly sources: readonly Source[];
  /** The operands whose gradients are its results, in order. */
  readonly operands: readonly number[];
}

/** What is known of shapes around a call. */
type Facts = Pick<Backward, "shapes" | "like">;

/** Which values of a function's body the forward keeps for the backward; others are computed again. */
export type Keeps = (value: Value) => boolean;

const keepsNothing: Keeps = () => false;

/**
 * Gradients of functions: one function for all calls that are alike in what is called, in what is wanted, and in the
 * shapes of their operands. It computes again what it needs of the forward part, but for what that keeps. Behind the last
 * one, {@link dispose} lets go of what was written to learn shapes.
 */
export class FunctionGradients implements CallRule {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #flows: Flows;
  /** What is known of the shapes of calls. */
  readonly callShapes: CallShapes;
  readonly #made = new Map<string, GradientFunction>();
  /** Values that functions give beside their results, by the index they have there. */
  readonly #kept = new Map<Func, Map<Value, number>>();
  readonly #results = new Map<Func, number>();

  constructor(model: Model, rw: Rewriter, flows: Flows) {
    this.#model = model;
    this.#rw = rw;
    this.#flows = flows;
    this.callShapes = new CallShapes(model, rw);
  }

  /**
   * Makes the functions of some calls give what their gradients need of it. Calls are replaced by such as have these
   * results, too.
   *
   * @param keeps what the forward keeps in a function
   * @returns the new call for each that was replaced
   */
  keep(
    calls: readonly Node[],
    flow: Flow,
    facts: Facts,
    keeps: (func: Func) => Keeps,
  ): ReadonlyMap<Node, Node> {
    const rw = this.#rw;
    for (const call of calls) {
      const func = this.#callee(call);
      const results = call.outputs.flatMap((value, i) => (flow.values.has(value) ? [i] : []));
      const operands = indices(call, flow);
      if (results.length === 0 || operands.length === 0) continue;
      const { sources } = this.#of(call, operands, results, facts, keeps(func));
      const kept = this.#kept.get(func) ?? new Map<Value, number>();
      if (!this.#kept.has(func)) this.#results.set(func, func.body.outputs.length);
      this.#kept.set(func, kept);
      for (const source of sources) {
        if (source.kind !== "kept" || kept.has(source.value)) continue;
        const { outputs } = func.body;
        // A result is there already.
        const index = outputs.includes(source.value) ? outputs.indexOf(source.value) : outputs.length;
        kept.set(source.value, index);
        if (index === outputs.length) rw.setOutput(func.body, index, source.value);
      }
      nameApart(rw, [...func.body.inputs, ...func.body.outputs]);
    }
    const wide = new Map<Node, Node>();
    for (const call of calls) {
      const own = widen(rw, call, this.#callee(call));
      if (own !== null) wide.set(call, own);
    }
    return wide;
  }

  /** How many results a function has, beside what it gives for its gradient. */
  resultsOf(func: Func): number {
    return this.#results.get(func) ?? func.body.outputs.length;
  }

  write(call: Node, task: Backward, gradients: Gradients, flow: Flow): void {
    const results = call.outputs.flatMap((value, i) => (gradients.has(value) ? [i] : []));
    // What is kept is kept in calls of the main graph: a function's inner calls compute again.
    const kept = call.graph === this.#model.graph ? this.#kept.get(this.#callee(call)) : undefined;
    const keeps: Keeps = kept === undefined ? keepsNothing : (value) => kept.has(value);
    const gradient = this.#of(call, indices(call, flow), results, task, keeps);
    if (gradient.operands.length === 0) return;
    const given = gradient.sources.map((source): Value | null => {
      if (source.kind === "kept") return forwardOf(call.output(kept?.get(source.value) ?? -1), task);
      if (source.kind === "gradient") return gradientOf(call, source.index, gradients);
      return forwardOf(call.input(source.index), task, gradientOf(call, results[0] ?? 0, gradients));
    });
    const names = gradient.operands.map((i) => `d_${call.input(i)?.name ?? "operand"}`);
    const { name } = gradient.func;
    const attributes = Object.fromEntries(call.attributes);
    const node = task.b.node(`${TFC_DOMAIN}::${name}`, given, names, attributes);
    if (call.name !== undefined && call.graph === this.#model.graph)
      this.#rw.setName(node, `${call.name}.gradient`);
    gradient.operands.forEach((i, n) => {
      const [operand, result] = [call.input(i), node.outputs[n]];
      if (operand === null || result === undefined) return;
      task.like.set(result, { of: operand });
      gradients.give(operand, result);
    });
  }

  /** Removes what was written to learn shapes, and has calls inside functions take the results that were added. */
  dispose(): void {
    this.callShapes.dispose();
    const graphs = [this.#model.graph, ...[...this.#model.functions.values()].map(({ body }) => body)];
    for (const node of graphs.flatMap((graph) => [...nodesDeep(graph)])) {
      const func = this.#model.callee(node);
      // onnxruntime refuses a call of fewer results than the function has, although nobody reads them.
      if (func !== undefined && this.#kept.has(func)) widen(this.#rw, node, func);
    }
  }

  #callee(call: Node): Func {
    const func = this.#model.callee(call);
    if (func === undefined) throw new Error(`${call.op} is no call`);
    return func;
  }

  #of(
    call: Node,
    varied: readonly number[],
    results: readonly number[],
    facts: Facts,
    keeps: Keeps,
  ): GradientFunction {
    const func = this.#callee(call);
    const sizes = this.callShapes.keyOf(call, facts.shapes, facts.like);
    const keeping = keeps === keepsNothing ? "" : "kept";
    const key = [func.key, varied.join(), results.join(), sizes, keeping].join(" ");
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = this.#make(call, func, varied, results, facts, keeps);
    this.#made.set(key, made);
    return made;
  }

  #make(
    call: Node,
    func: Func,
    varied: readonly number[],
    results: readonly number[],
    facts: Facts,
    keeps: Keeps,
  ): GradientFunction {
    const { body } = func;
    const name = freeName(this.#model, `${func.name}Gradient`);
    // What a call gives has the shapes that are known around it.
    const inside = this.callShapes.inside(call, func, facts.shapes, facts.like);
    const like = new Map([...facts.like, ...inside]);
    const parameters = new Parameters(
      new FunctionBuilder(this.#rw, func.loc, name, this.#model.opset),
      like,
      func,
    );
    const { b, sources } = parameters;
    const seeds = parameters.seeds(results);
    const forward = new Forward(b, (value) => parameters.standIn(value, keeps), like);
    const wanted = new Set(varied.flatMap((i) => body.inputs[i] ?? []));
    const { shapes } = new Elements(like);
    const task: Backward = { nodes: [...body.nodes], seeds, wanted, forward, b, into: b.body, shapes, like };
    const found = differentiate(task, { model: this.#model, flows: this.#flows, calls: this });
    const outputs: Value[] = [];
    const operands = varied.filter((i) => {
      const parameter = body.inputs[i];
      const gradient = parameter === undefined ? undefined : found.get(parameter);
      if (gradient === undefined) return false;
      // A function's result is made in it, and once.
      const isOwn = gradient.producer !== null && !outputs.includes(gradient);
      outputs.push(isOwn ? gradient : b.op("Identity", [gradient], `d_${parameter?.name ?? "operand"}`));
      return true;
    });
    const names = operands.map((i) => `d_${body.inputs[i]?.name ?? "operand"}`);
    outputs.forEach((value, i) => {
      this.#rw.setName(value, names[i]);
    });
    nameApart(this.#rw, [...b.body.inputs, ...outputs]);
    const gradient = b.finish(TFC_DOMAIN, name, outputs, func);
    for (const { domain } of gradient.body.nodes)
      if (domain !== "" && !gradient.opsets.has(domain))
        this.#rw.setOpset(gradient, domain, this.#model.opsets.get(domain) ?? 1);
    this.#rw.addFunction(this.#model, gradient);
    return { func: gradient, sources, operands };
  }
}

/** The parameters of a gradient function, each there from when it is first read. */
class Parameters {
  readonly b: FunctionBuilder;
  readonly like: Map<Value, ShapeLike>;
  readonly sources: Source[] = [];
  readonly #func: Func;

  constructor(b: FunctionBuilder, like: Map<Value, ShapeLike>, func: Func) {
    this.b = b;
    this.like = like;
    this.#func = func;
  }

  /** Gradients of results. */
  seeds(results: readonly number[]): ReadonlyMap<Value, Value> {
    const seeds = new Map<Value, Value>();
    for (const index of results) {
      const value = this.#func.body.outputs[index];
      if (value === undefined) continue;
      const name = `d_${value.name ?? "result"}`;
      const [own, other] = [this.#take(value, { kind: "gradient", index }, name), seeds.get(value)];
      seeds.set(value, other === undefined ? own : this.b.op("Add", [other, own], `${name}_sum`));
    }
    return seeds;
  }

  /** What stands for a value of the function's body; null for what is computed again. */
  standIn(value: Value, keeps: Keeps): Value | null {
    const { body } = this.#func;
    if (value.graph === body)
      return this.#take(
        value,
        { kind: "operand", index: body.inputs.indexOf(value) },
        value.name ?? "operand",
      );
    return keeps(value) ? this.#take(value, { kind: "kept", value }, value.name ?? "kept") : null;
  }

  #take(value: Value, source: Source, hint: string): Value {
    const parameter = this.b.input(hint);
    this.sources.push(source);
    this.like.set(parameter, { of: value });
    return parameter;
  }
}

function gradientOf(call: Node, result: number, gradients: Gradients): Value | null {
  const value = call.output(result);
  return value === null ? null : gradients.of(value);
}

function forwardOf(value: Value | null, task: Backward, after: Value | null = null): Value | null {
  return value === null ? null : task.forward.of(value, after);
}

function indices(call: Node, { values }: Flow): readonly number[] {
  return call.inputs.flatMap((value, i) => (value !== null && values.has(value) ? [i] : []));
}

/** A call with as many results as its function has, in its place; null where it has them. */
function widen(rw: Rewriter, call: Node, func: Func): Node | null {
  if (call.outputs.length >= func.body.outputs.length) return null;
  const outputs = func.body.outputs.map(({ name }, i) => {
    const own = call.outputs[i];
    return own === undefined ? `${call.name ?? call.opType}.${name ?? i}` : own.name;
  });
  const wide = rw.node({
    op: call.opType,
    domain: call.domain,
    overload: call.overload,
    ...(call.name === undefined ? {} : { name: call.name }),
    inputs: call.inputs,
    outputs,
    attributes: Object.fromEntries(call.attributes),
    loc: call.loc,
  });
  for (const [key, text] of call.meta) rw.setMeta(wide, key, text);
  rw.insertBefore(call, wide);
  call.outputs.forEach((value, i) => {
    const own = wide.outputs[i];
    if (own === undefined) return;
    rw.setType(own, value.type);
    rw.replaceUses(value, own);
  });
  rw.remove(call);
  return wide;
}

/** Gives each of some values a name of its own: what a function takes and gives is known by name. */
function nameApart(rw: Rewriter, values: readonly Value[]): void {
  const taken = new Set<string>();
  for (const value of new Set(values)) {
    const base = value.name ?? "value";
    let name = base;
    for (let n = 2; taken.has(name); n++) name = `${base}_${n}`;
    taken.add(name);
    rw.setName(value, name);
  }
}
