import type { Builder } from "../ir/builder.ts";
import type { DType } from "../ir/dtype.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { Value } from "../ir/value.ts";
import { elementTypeOf } from "../ops/element-type.ts";
import { has } from "../ops/table.ts";
import type { Shapes } from "../recognize/symbolic/shapes.ts";
import { differentiate, type Backward, type Tools } from "./differentiate.ts";
import type { Flow } from "./flow.ts";
import { Forward } from "./forward.ts";
import type { Gradients } from "./gradients.ts";
import type { Place } from "./placed.ts";
import type { Decomposition, Rule, Vjp } from "./rule.ts";
import { keepsSizes, sumTo } from "./sum-to.ts";

/** One node on the way back, in the midst of a backward pass. */
export class NodeVjp implements Vjp {
  readonly node: Node;
  readonly #by: ReadonlySet<number>;
  readonly #task: Backward;
  readonly #tools: Tools;
  readonly #gradients: Gradients;
  readonly #flow: Flow;

  constructor(node: Node, rule: Rule, task: Backward, tools: Tools, gradients: Gradients, flow: Flow) {
    this.node = node;
    this.#by = new Set(rule.by(node));
    this.#task = task;
    this.#tools = tools;
    this.#gradients = gradients;
    this.#flow = flow;
  }

  get b(): Builder {
    return this.#task.b;
  }

  get shapes(): Shapes {
    return this.#task.shapes;
  }

  get dy(): Value {
    const gradient = this.gradient(0);
    if (gradient === null) throw new Error(`the first result of ${this.node.op} has no gradient`);
    return gradient;
  }

  gradient(result: number): Value | null {
    const value = this.node.output(result);
    return value === null ? null : this.#gradients.of(value);
  }

  x(operand: number): Value {
    return this.#task.forward.of(this.#operand(operand), this.#anyGradient());
  }

  y(result = 0): Value {
    const value = this.node.output(result);
    if (value === null) throw new Error(`${this.node.op} has no result ${result}`);
    return this.#task.forward.of(value);
  }

  wants(operand: number): boolean {
    const value = this.node.input(operand);
    return value !== null && this.#by.has(operand) && this.#flow.values.has(value);
  }

  give(operand: number, gradient: Value): void {
    this.#gradients.give(this.#operand(operand), gradient);
  }

  giveAt(operand: number, place: Place, gradient: Value): void {
    this.#gradients.giveAt(this.#operand(operand), place, gradient);
  }

  giveSummed(operand: number, gradient: Value): void {
    const { b, shapes } = this.#task;
    // Beside numbers an operand of any shape keeps it.
    const isAlone = this.node.inputs.every((value, i) => i === operand || shapes.of(value)?.length === 0);
    if (isAlone) {
      this.give(operand, gradient);
      return;
    }
    const to = shapes.of(this.#operand(operand));
    const others = this.node.inputs.filter((_, i) => i !== operand).map((value) => shapes.of(value));
    const isCertain = to !== null && others.every((one) => one === null || keepsSizes(to, one));
    const from = isCertain ? shapes.of(this.node.output(0)) : null;
    this.give(
      operand,
      sumTo(b, gradient, () => this.x(operand), from, to),
    );
  }

  through(write: Decomposition): void {
    const { b, into, like } = this.#task;
    // Of its own for each: two operands may be one value, and have two gradients.
    const operands = this.node.inputs.map((value, i) => {
      if (value === null) return null;
      const own = this.wants(i)
        ? b.op("Identity", [this.x(i)], `${value.name ?? "operand"}_again`)
        : this.x(i);
      if (own !== value) like.set(own, { of: value });
      return own;
    });
    this.node.outputs.forEach((_, i) => this.gradient(i)); // sums stand in front of what is swept
    const last = into.last;
    const results = write(b, operands);
    const nodes: Node[] = [];
    for (let at = last === null ? into.first : last.next; at !== null; at = at.next) nodes.push(at);
    const seeds = new Map<Value, Value>();
    results.forEach((result, i) => {
      const gradient = this.gradient(i);
      if (result !== null && gradient !== null) seeds.set(result, gradient);
    });
    const wanted = new Set(operands.filter((value, i) => value !== null && this.wants(i)) as Value[]);
    const forward = new Forward(b, (value) => value, like);
    const found = differentiate({ ...this.#task, nodes, seeds, wanted, forward }, this.#tools);
    operands.forEach((value, i) => {
      const gradient = value === null ? undefined : found.get(value);
      if (this.wants(i) && gradient !== undefined) this.give(i, gradient);
    });
    sweep(b.rewriter, nodes, new Set([...seeds.values(), ...found.values()]));
  }

  typeOf(operand: number): DType | null {
    let at = this.node.input(operand);
    while (at !== null) {
      const type = elementTypeOf(at);
      if (type !== null) return type;
      const node: Node | null = at.producer;
      // What a parameter is given tells its type, also through what keeps it.
      if (node === null) {
        const same = this.#task.like.get(at);
        at = same === undefined || same.isOther === true ? null : same.of;
      } else at = has(node, "reshape") ? node.input(0) : null;
    }
    return null;
  }

  known(result: number): Value | null {
    const value = this.node.output(result);
    return value === null ? null : this.#task.forward.known(value);
  }

  #anyGradient(): Value | null {
    return this.node.outputs.map((_, i) => this.gradient(i)).find((gradient) => gradient !== null) ?? null;
  }

  #operand(operand: number): Value {
    const value = this.node.input(operand);
    if (value === null) throw new Error(`${this.node.op} has no operand ${operand}`);
    return value;
  }
}

/** Removes what was written and nothing reads. Constants stay: a builder hands them out again. */
function sweep(rw: Rewriter, nodes: readonly Node[], kept: ReadonlySet<Value>): void {
  for (const node of nodes.toReversed()) {
    const isRead = node.outputs.some((value) => value.uses.size > 0 || kept.has(value));
    if (!isRead && node.inputs.length > 0) rw.remove(node);
  }
}
