import type { Builder } from "../ir/builder.ts";
import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import type { ShapeLike, Shapes } from "../recognize/symbolic/shapes.ts";
import type { Flow, Flows } from "./flow.ts";
import type { Forward } from "./forward.ts";
import { Gradients } from "./gradients.ts";
import { NodeVjp } from "./node-vjp.ts";
import { ruleOf } from "./rules/index.ts";

/** What calls of functions are differentiated by. */
export interface CallRule {
  /** Writes the call of a function's gradient, and gives its operands their gradients. */
  write(call: Node, task: Backward, gradients: Gradients, flow: Flow): void;
}

/** Nodes to go back through, and where. */
export interface Backward {
  /** In order. */
  readonly nodes: readonly Node[];
  /** Gradients of values that these nodes make. */
  readonly seeds: ReadonlyMap<Value, Value>;
  /** Values whose gradients are asked for; those of {@link nodes} among them are gone through all the same. */
  readonly wanted: ReadonlySet<Value>;
  readonly forward: Forward;
  /** Writes at the end of {@link into}. */
  readonly b: Builder;
  readonly into: Graph;
  readonly shapes: Shapes;
  /** Whose shapes new values have: what {@link shapes} reads. */
  readonly like: Map<Value, ShapeLike>;
}

/** What reverse mode needs to know of a model. */
export interface Tools {
  readonly model: Model;
  readonly flows: Flows;
  readonly calls: CallRule;
}

/**
 * Reverse mode: writes the gradients of what is wanted, node by node from the last to the first.
 *
 * @returns gradients of wanted values; one that nothing depends on has none
 * @throws Error at an op without a rule, which {@link Flows.obstacles} names beforehand
 */
export function differentiate(task: Backward, tools: Tools): ReadonlyMap<Value, Value> {
  const { nodes, seeds, wanted, b } = task;
  const flow = tools.flows.between(nodes, wanted, seeds.keys());
  const gradients = new Gradients(b, task.like);
  for (const [value, gradient] of seeds) if (flow.values.has(value)) gradients.give(value, gradient);
  for (const node of nodes.toReversed()) {
    const hasGradient = node.outputs.some((value) => gradients.has(value));
    const isAsked = node.inputs.some((value) => value !== null && flow.values.has(value));
    if (!hasGradient || !isAsked) continue;
    if (tools.model.callee(node) !== undefined) {
      tools.calls.write(node, task, gradients, flow);
      continue;
    }
    const rule = ruleOf(node);
    if (rule === null) throw new Error(`${node.op} has no rule`);
    rule.write(new NodeVjp(node, rule, task, tools, gradients, flow));
  }
  const found = new Map<Value, Value>();
  for (const value of wanted) {
    const gradient = gradients.of(value);
    if (gradient !== null) found.set(value, gradient);
  }
  return found;
}
