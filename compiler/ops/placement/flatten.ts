import type { Attribute } from "../../ir/attribute.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Func, Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { kernelsOf, kernelType, sinceOf } from "../kernels/kernels.ts";
import type { Provider } from "../providers.ts";
import type { FlatCall, FlatNode, FlatValue, Scope } from "./flat.ts";
import { refusal } from "./refusal.ts";
import { bindOutputs, typesOf } from "./types.ts";

/** More nodes than any decoder has, written out. */
export const MOST_FLAT_NODES = 200_000;

/** What names mean in one function, or in the model's graph: graphs inside them share it. */
interface Environment {
  readonly values: Map<Value, FlatValue | null>;
  readonly opsets: ReadonlyMap<string, number>;
  /** What the call gives for attributes of the function. */
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly call: FlatCall | null;
}

/** A graph on the way of the walk, and what is done at its end. */
interface Frame {
  readonly nodes: Iterator<Node>;
  readonly scope: Scope;
  readonly environment: Environment;
  readonly outermost: Node | null;
  readonly finish: () => void;
}

/** A model with its functions written out, and the types of its values. Null where that would be too large. */
export function flatten(model: Model, provider: Provider): Scope | null {
  return new Flattener(model, provider).run();
}

class Flattener {
  readonly #model: Model;
  readonly #provider: Provider;
  /** An explicit stack: functions may call each other in a longer chain than the call stack is. */
  readonly #frames: Frame[] = [];
  #count = 0;

  constructor(model: Model, provider: Provider) {
    this.#model = model;
    this.#provider = provider;
  }

  run(): Scope | null {
    const main = scopeOf(null);
    const environment: Environment = {
      values: new Map(),
      opsets: this.#model.opsets,
      attributes: new Map(),
      call: null,
    };
    this.#enter(this.#model.graph, main, environment, null, () => undefined);
    for (let top = this.#frames.at(-1); top !== undefined; top = this.#frames.at(-1)) {
      const step = top.nodes.next();
      if (step.done === true) {
        this.#frames.pop();
        top.finish();
      } else if (++this.#count > MOST_FLAT_NODES) return null;
      else this.#visit(step.value, top);
    }
    return main;
  }

  #enter(
    graph: Graph,
    scope: Scope,
    environment: Environment,
    outermost: Node | null,
    finish: () => void,
  ): void {
    for (const value of [...graph.inputs, ...graph.initializers]) {
      // Formal inputs of a function stand for what the call gives.
      if (environment.values.has(value)) continue;
      const flat = newValue(value, scope, null);
      environment.values.set(value, flat);
      if (value.isInput) scope.inputs.push(flat);
    }
    this.#frames.push({
      nodes: graph.nodes[Symbol.iterator](),
      scope,
      environment,
      outermost,
      finish: () => {
        scope.outputs.push(...graph.outputs.map((value) => environment.values.get(value) ?? null));
        finish();
      },
    });
  }

  #visit(node: Node, frame: Frame): void {
    const callee = this.#model.callee(node);
    if (callee !== undefined && !this.#hasKernel(node, frame)) this.#call(node, callee, frame);
    else if (node.op === "Constant") constant(node, frame);
    else this.#node(node, frame);
  }

  /** Whether a function is but what an op means: onnxruntime takes its own kernel where it has one. */
  #hasKernel(node: Node, { environment }: Frame): boolean {
    if (kernelsOf(node.op) === null) return false;
    const facts = factsOf(node, environment);
    const given = {
      op: node.op,
      ...facts,
      inputs: inputsOf(node, environment),
      attribute: (name: string) => attributeOf(node, name, environment),
    };
    const { bound } = typesOf({ ...given, results: [] }, node.outputs.length);
    return [this.#provider, "cpu" as const].some(
      (provider) => refusal({ ...given, types: bound }, provider) === null,
    );
  }

  /** Goes on with the function's nodes, in the scope of the call. */
  #call(node: Node, callee: Func, frame: Frame): void {
    const { environment, scope } = frame;
    const given = inputsOf(node, environment);
    const inner: Environment = {
      values: new Map(callee.body.inputs.map((formal, i) => [formal, given[i] ?? null])),
      opsets: callee.opsets,
      attributes: attributesOf(node, callee, environment),
      call: { name: node.name ?? node.opType, outer: environment.call },
    };
    this.#frames.push({
      nodes: callee.body.nodes[Symbol.iterator](),
      scope,
      environment: inner,
      outermost: frame.outermost ?? node,
      finish: () => {
        node.outputs.forEach((output, i) => {
          const formal = callee.body.outputs[i];
          environment.values.set(output, (formal && inner.values.get(formal)) ?? null);
        });
      },
    });
  }

  #node(node: Node, frame: Frame): void {
    const { environment, scope } = frame;
    const flat: MutableNode = {
      node,
      outermost: frame.outermost ?? node,
      op: node.op,
      call: environment.call,
      scope,
      ...factsOf(node, environment),
      inputs: inputsOf(node, environment),
      outputs: [],
      captures: new Set(),
      scopes: [],
      attribute: (name) => attributeOf(node, name, environment),
      types: new Map(),
    };
    scope.nodes.push(flat);
    for (const input of flat.inputs) if (input !== null) read(input, flat);
    // The types of what the graphs inside give are those of the node.
    const finish = (): void => {
      finishNode(flat, node, environment);
    };
    if (node.subgraphs.length === 0) finish();
    flat.scopes = node.subgraphs.map(() => scopeOf(flat));
    node.subgraphs.toReversed().forEach((graph, i) => {
      const inside = flat.scopes[node.subgraphs.length - 1 - i];
      if (inside === undefined) return;
      const isLast = i === 0;
      this.#enter(graph, inside, environment, flat.outermost, () => {
        for (const value of inside.outputs) if (value !== null) read(value, flat, inside);
        if (isLast) finish();
      });
    });
  }
}

type MutableNode = { -readonly [K in keyof FlatNode]: FlatNode[K] };

/** An attribute of a node, where it is the caller's as the call gives it. */
function attributeOf(node: Node, name: string, { attributes }: Environment): Attribute | undefined {
  const attr = node.attributes.get(name);
  return attr?.kind === "ref" ? attributes.get(attr.parameter) : attr;
}

/** What a call gives for the attributes of a function, or the function itself does. */
function attributesOf(node: Node, callee: Func, environment: Environment): ReadonlyMap<string, Attribute> {
  const given = new Map(callee.defaults);
  for (const name of node.attributes.keys()) {
    const attr = attributeOf(node, name, environment);
    if (attr !== undefined) given.set(name, attr);
  }
  return given;
}

/** What onnxruntime has of a node's op, in the version that is imported where the node stands. */
function factsOf(node: Node, { opsets }: Environment): Pick<FlatNode, "facts" | "since"> {
  const facts = kernelsOf(node.op);
  const isDefault = node.domain === "" || node.domain === "ai.onnx";
  // Exporters forget to import com.microsoft, and onnxruntime does not mind.
  const opset = isDefault ? (opsets.get("") ?? opsets.get("ai.onnx") ?? 0) : (opsets.get(node.domain) ?? 1);
  return { facts, since: facts === null ? null : sinceOf(facts, opset) };
}

function scopeOf(holder: FlatNode | null): Scope {
  return { holder, nodes: [], inputs: [], outputs: [] };
}

function newValue(value: Value, scope: Scope, producer: FlatNode | null): FlatValue {
  const size = value.constant?.size ?? null;
  const type = kernelType(value.type) ?? elementType(value);
  const isInput = value.isInput && size === null;
  return { name: value.name, type, size, isInput, scope, producer, readers: new Set() };
}

function elementType(value: Value) {
  return value.constant === undefined ? null : kernelType({ kind: "tensor", dtype: value.constant.dtype });
}

function inputsOf(node: Node, { values }: Environment): (FlatValue | null)[] {
  return node.inputs.map((value) => (value === null ? null : (values.get(value) ?? null)));
}

/** Notes that a node reads a value, and that the nodes around it do, out to the graph of the value. */
function read(value: FlatValue, reader: FlatNode, from: Scope = reader.scope): void {
  let [scope, at]: [Scope, FlatNode | null] = [from, from === reader.scope ? reader : null];
  while (scope !== value.scope) {
    at = scope.holder;
    if (at === null) return;
    at.captures.add(value);
    scope = at.scope;
  }
  if (at !== null) value.readers.add(at);
}

/** A Constant becomes an initializer. */
function constant(node: Node, { scope, environment }: Frame): void {
  for (const output of node.outputs) {
    const flat = newValue(output, scope, null);
    const [name, attr] = [...node.attributes][0] ?? ["", undefined];
    const given = name === "" ? undefined : attributeOf(node, name, environment);
    environment.values.set(output, { ...flat, ...constantOf(given ?? attr), readers: flat.readers });
  }
}

function constantOf(attr: Attribute | undefined): Pick<FlatValue, "size" | "type"> {
  switch (attr?.kind) {
    case "tensor":
      return { size: attr.value.size, type: kernelType({ kind: "tensor", dtype: attr.value.dtype }) };
    case "int":
      return { size: 1, type: "int64" };
    case "float":
      return { size: 1, type: "float" };
    case "string":
      return { size: 1, type: "string" };
    case "ints":
      return { size: attr.value.length, type: "int64" };
    case "floats":
      return { size: attr.value.length, type: "float" };
    case "strings":
      return { size: attr.value.length, type: "string" };
    default:
      return { size: 1, type: null };
  }
}

/** Gives a node its outputs and their types. */
function finishNode(flat: MutableNode, node: Node, environment: Environment): void {
  const results = (flat.scopes[0]?.outputs ?? []).map((value) => value?.type ?? null);
  const { results: types, bound, parameters } = typesOf({ ...flat, results }, node.outputs.length);
  flat.outputs = node.outputs.map((value, i) => {
    const declared = asTensor(value.type) === null ? null : kernelType(value.type);
    const own = { ...newValue(value, flat.scope, flat), type: declared ?? types[i] ?? null };
    environment.values.set(value, own);
    return own;
  });
  bindOutputs(
    bound,
    parameters,
    flat.outputs.map(({ type }) => type),
  );
  flat.types = bound;
}
