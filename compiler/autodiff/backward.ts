import { inputError } from "../diagnostics/error.ts";
import { atEnd, Builder } from "../ir/builder.ts";
import { isFloat } from "../ir/dtype.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Value } from "../ir/value.ts";
import { elementTypeOf } from "../ops/element-type.ts";
import { has } from "../ops/table.ts";
import { Elements } from "../recognize/symbolic/elements.ts";
import type { ShapeLike, Shapes } from "../recognize/symbolic/shapes.ts";
import { siteOf } from "../sites/site.ts";
import { barrier, barrierFunction, zeroAfter } from "./barrier.ts";
import { differentiate, type Tools } from "./differentiate.ts";
import { Flows, placeOfObstacle, type Flow } from "./flow.ts";
import { Forward } from "./forward.ts";
import { FunctionGradients } from "./functions.ts";
import type { Memory } from "../ops/training.ts";
import { Gradients } from "./gradients.ts";
import { keepsIn } from "./memory.ts";
import { segmentsOf } from "./segments.ts";

/** What to differentiate a main graph by. */
export interface BackwardOptions {
  /** Values of the main graph that depend on what is wanted, with their gradients, which are values of the main graph. */
  readonly seeds: ReadonlyMap<Value, Value>;
  readonly wanted: readonly Value[];
  /** The nodes of the forward part, in order. */
  readonly nodes: readonly Node[];
  readonly memory: Memory;
}

/**
 * Writes the gradients of a main graph's values at its end: reverse mode, one segment of the graph after the other, each
 * behind a barrier, so that what it computes again of the forward part is computed when it is needed and let go before the
 * next.
 *
 * @returns the gradients of what is wanted; of what nothing depends on there is none
 * @throws TfcError NO_GRADIENT_RULE, which names each op on the way that has no rule, before anything is written
 */
export function backward(model: Model, rw: Rewriter, options: BackwardOptions): ReadonlyMap<Value, Value> {
  return new GraphBackward(model, rw, options).run();
}

/** @throws TfcError NO_GRADIENT_RULE */
export function checkRules(nodes: Iterable<Node>, flows: Flows, flow: Flow): void {
  const obstacles = [...flows.obstacles(nodes, flow)];
  const [first] = obstacles;
  if (first === undefined) return;
  const ops = [...new Set(obstacles.map(({ node }) => node.op))];
  throw inputError("NO_GRADIENT_RULE", placeOfObstacle(first), { ops, why: first.why });
}

class GraphBackward {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #options: BackwardOptions;
  readonly #flows: Flows;
  readonly #wanted: ReadonlySet<Value>;
  readonly #gradients: Gradients;
  readonly #like = new Map<Value, ShapeLike>();
  readonly #b: Builder;
  readonly #shapes: Shapes;
  readonly #tools: Tools;
  readonly #functions: FunctionGradients;
  /** Nodes of the forward part by what they make. */
  #nodes: readonly Node[];

  constructor(model: Model, rw: Rewriter, options: BackwardOptions) {
    this.#model = model;
    this.#rw = rw;
    this.#options = options;
    this.#nodes = options.nodes;
    this.#flows = new Flows(model);
    this.#wanted = new Set(options.wanted);
    this.#functions = new FunctionGradients(model, rw, this.#flows);
    this.#tools = { model, flows: this.#flows, calls: this.#functions };
    // Names of values repeat, and onnxruntime refuses nodes of one name.
    this.#b = new Builder(rw, atEnd(model.graph), { namesNodes: false });
    this.#gradients = new Gradients(this.#b, this.#like);
    this.#shapes = new Elements(this.#like).shapes;
  }

  run(): ReadonlyMap<Value, Value> {
    const { seeds, memory } = this.#options;
    const before = this.#flow();
    checkRules(this.#nodes, this.#flows, before);
    this.#functions.callShapes.learn(this.#nodes, this.#shapes, this.#like);
    this.#keep(before);
    const flow = this.#flow();
    for (const [value, gradient] of seeds) this.#gradients.give(value, gradient);
    const segments = segmentsOf(this.#nodes, flow, {
      wanted: this.#wanted,
      results: new Set(seeds.keys()),
      isWork: (node) => this.#model.callee(node) !== undefined || has(node, "product"),
    });
    if (memory !== "none") barrierFunction(this.#model, this.#rw);
    let behind: readonly Value[] = [...seeds.values()];
    for (const segment of segments.toReversed()) behind = this.#segment(segment, flow, behind);
    const found = new Map<Value, Value>();
    for (const value of this.#wanted) {
      const gradient = this.#gradients.of(value);
      if (gradient !== null) found.set(value, gradient);
    }
    this.#functions.dispose();
    return found;
  }

  #flow(): Flow {
    return this.#flows.between(this.#nodes, this.#wanted, this.#options.seeds.keys());
  }

  /** Makes the blocks give what the memory allows to keep of them. Seeds are no results of calls that have more then. */
  #keep(flow: Flow): void {
    const { memory } = this.#options;
    if (memory === "recompute") return;
    const calls = this.#nodes.filter(
      (node) => siteOf(node) !== null && this.#model.callee(node) !== undefined,
    );
    const wide = this.#functions.keep(calls, flow, { shapes: this.#shapes, like: this.#like }, (func) =>
      keepsIn(func, memory),
    );
    this.#nodes = this.#nodes.map((node) => wide.get(node) ?? node);
    for (const [call, own] of wide)
      call.outputs.forEach((value, i) => {
        const [twin, shape] = [own.outputs[i], this.#like.get(value)];
        if (twin !== undefined && shape !== undefined) this.#like.set(twin, shape);
      });
  }

  /** @param behind gradients that were written before: what this segment computes waits for them */
  #segment(nodes: readonly Node[], flow: Flow, behind: readonly Value[]): readonly Value[] {
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const results = [...made].filter((value) => flow.values.has(value) && this.#gradients.has(value));
    if (results.length === 0) return behind;
    const isSaving = this.#options.memory !== "none";
    const zero = isSaving ? zeroAfter(this.#b, behind) : null;
    const wait = (value: Value): Value => (zero === null ? value : barrier(this.#b, value, zero));
    const seeds = new Map<Value, Value>();
    for (const value of results) {
      const gradient = this.#gradients.of(value);
      if (gradient !== null) seeds.set(value, wait(gradient));
    }
    const arriving = new Set(
      nodes.flatMap(({ inputs }) =>
        inputs.filter((value) => value !== null && flow.values.has(value) && !made.has(value)),
      ),
    ) as ReadonlySet<Value>;
    const again = isSaving ? this.#computedAgain(nodes) : new Set<Value>();
    const forward = new Forward(
      this.#b,
      (value) => {
        if (again.has(value)) return null;
        // Weights and what is the same for all layers are there all the time.
        return zero !== null && this.#isKept(value, arriving) ? wait(value) : value;
      },
      this.#like,
    );
    const [shapes, like] = [this.#shapes, this.#like];
    const wanted = new Set([...arriving, ...this.#wanted]);
    const found = differentiate(
      { nodes, seeds, wanted, forward, b: this.#b, into: this.#model.graph, shapes, like },
      this.#tools,
    );
    for (const [value, gradient] of found) this.#gradients.give(value, gradient);
    return [...found.values()];
  }

  /** What a segment's nodes make that is not kept: all but the results of calls that are there for the backward. */
  #computedAgain(nodes: readonly Node[]): ReadonlySet<Value> {
    const varied = nodes.filter((node) => this.#varied.has(node));
    return new Set(varied.flatMap((node) => node.outputs.slice(0, this.#ownResults(node))));
  }

  #ownResults(node: Node): number {
    const callee = this.#model.callee(node);
    return callee === undefined ? node.outputs.length : this.#functions.resultsOf(callee);
  }

  /** Nodes that depend on what is wanted, by whatever operand. */
  get #varied(): ReadonlySet<Node> {
    return (this.#variedNodes ??= variedNodes(this.#nodes, this.#wanted));
  }

  #variedNodes: ReadonlySet<Node> | null = null;

  /**
   * Whether the forward part made a value, which waits then: also what does not vary, such as what comes into the first
   * block, since what is computed of it again must not be taken for what the forward part computed.
   */
  #isKept(value: Value, arriving: ReadonlySet<Value>): boolean {
    if (arriving.has(value)) return !this.#wanted.has(value);
    const { producer } = value;
    if (producer === null || producer.op === "Constant") return false;
    return this.#varied.has(producer) || isFloat(elementTypeOf(value) ?? "int64");
  }
}

function variedNodes(nodes: readonly Node[], wanted: ReadonlySet<Value>): ReadonlySet<Node> {
  const [values, varied] = [new Set(wanted), new Set<Node>()];
  for (const node of nodes) {
    if (!node.inputs.some((value) => value !== null && values.has(value))) continue;
    varied.add(node);
    for (const value of node.outputs) values.add(value);
  }
  return varied;
}
