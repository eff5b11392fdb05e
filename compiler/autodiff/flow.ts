import { placeOf } from "../diagnostics/diagnostic.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { readsOf } from "../ir/walk.ts";
import { DETACHED_KEY } from "../ops/training.ts";
import { ruleOf } from "./rules/index.ts";

/** What lies between what is varied and what depends on it: the values that have a gradient. */
export interface Flow {
  /** Values that vary with what is wanted, and that the results vary with. */
  readonly values: ReadonlySet<Value>;
}

/** Where gradients flow in a model: through ops as their rules say, through calls as what they call does. */
export class Flows {
  readonly #model: Model;
  readonly #calls = new Map<string, CallFlow>();

  constructor(model: Model) {
    this.#model = model;
  }

  /**
   * The values of some nodes, in order, that lie between.
   *
   * @param wanted what is varied
   * @param results what is to depend on it
   */
  between(nodes: readonly Node[], wanted: Iterable<Value>, results: Iterable<Value>): Flow {
    const varied = this.#variedBy(nodes, wanted);
    const values = new Set<Value>();
    for (const value of results) if (varied.has(value)) values.add(value);
    for (const node of nodes.toReversed()) {
      const gradients = node.outputs.flatMap((value, i) => (values.has(value) ? [i] : []));
      if (gradients.length === 0) continue;
      for (const value of this.#reached(node, varied, gradients)) values.add(value);
    }
    return { values };
  }

  /** Which operands of a call have a gradient, given which may be varied and which results have one. */
  ofCall(func: Func, varied: readonly number[], results: readonly number[]): readonly number[] {
    return this.#call(func, varied, results).operands;
  }

  /** The nodes of a flow whose op has no rule, or refuses: what {@link Flow.values} go through. */
  *obstacles(nodes: Iterable<Node>, { values }: Flow): Generator<Obstacle, void, void> {
    for (const node of nodes) {
      const results = node.outputs.flatMap((value, i) => (values.has(value) ? [i] : []));
      if (results.length === 0) continue;
      const callee = this.#model.callee(node);
      if (callee !== undefined) {
        const varied = indices(node, values);
        const { flow } = this.#call(callee, varied, results);
        yield* this.obstacles(callee.body.nodes, flow);
        continue;
      }
      const rule = ruleOf(node);
      const why = rule === null ? "" : (rule.refuses?.(node) ?? null);
      if (why !== null) yield { node, why };
    }
  }

  #variedBy(nodes: readonly Node[], wanted: Iterable<Value>): ReadonlySet<Value> {
    const varied = new Set(wanted);
    for (const node of nodes) {
      // What is detached is a constant, whatever it is made of.
      if (node.meta.has(DETACHED_KEY)) continue;
      const callee = this.#model.callee(node);
      if (callee !== undefined) {
        const operands = indices(node, varied);
        if (operands.length === 0) continue;
        const { varies } = this.#call(callee, operands, null);
        for (const i of varies) {
          const result = node.outputs[i];
          if (result !== undefined) varied.add(result);
        }
        continue;
      }
      if (!sources(node).some((value) => varied.has(value))) continue;
      for (const value of ruleOf(node)?.varies?.flatMap((i) => node.outputs[i] ?? []) ?? node.outputs)
        varied.add(value);
    }
    return varied;
  }

  /** The operands of a node that its results' gradients flow to. */
  #reached(node: Node, varied: ReadonlySet<Value>, gradients: readonly number[]): readonly Value[] {
    const callee = this.#model.callee(node);
    if (callee === undefined) return sources(node).filter((value) => varied.has(value));
    const { operands } = this.#call(callee, indices(node, varied), gradients);
    return operands.flatMap((i) => node.input(i) ?? []);
  }

  /** @param results null asks only for what varies */
  #call(func: Func, varied: readonly number[], results: readonly number[] | null): CallFlow {
    const key = `${func.key} ${varied.join()} ${results?.join() ?? "?"}`;
    const known = this.#calls.get(key);
    if (known !== undefined) return known;
    const { inputs, outputs } = func.body;
    const wanted = varied.flatMap((i) => inputs[i] ?? []);
    const nodes = [...func.body.nodes];
    const all = this.#variedBy(nodes, wanted);
    const flow =
      results === null
        ? { values: new Set<Value>() }
        : this.between(
            nodes,
            wanted,
            results.flatMap((i) => outputs[i] ?? []),
          );
    const found = {
      flow,
      varies: outputs.flatMap((value, i) => (all.has(value) ? [i] : [])),
      operands: varied.filter((i) => {
        const parameter = inputs[i];
        return parameter !== undefined && flow.values.has(parameter);
      }),
    };
    this.#calls.set(key, found);
    return found;
  }
}

/** A node that gradients cannot flow through. `why` is a clause, or "" where the op has no rule. */
export interface Obstacle {
  readonly node: Node;
  readonly why: string;
}

interface CallFlow {
  readonly flow: Flow;
  /** Results that vary. */
  readonly varies: readonly number[];
  /** Operands that the gradients flow to. */
  readonly operands: readonly number[];
}

/** The operands of a call that are among some values. */
function indices(node: Node, values: ReadonlySet<Value>): readonly number[] {
  return node.inputs.flatMap((value, i) => (value !== null && values.has(value) ? [i] : []));
}

/** What gradients flow to from a node: for an op without a rule all that it reads, so that it is met and named. */
function sources(node: Node): readonly Value[] {
  const rule = ruleOf(node);
  return rule === null ? readsOf(node) : rule.by(node).flatMap((i) => node.input(i) ?? []);
}

/** The place of an obstacle, for a message. */
export function placeOfObstacle({ node }: Obstacle): ReturnType<typeof placeOf> {
  return placeOf(node);
}
