import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { scalarOf } from "../../ops/constant.ts";
import { has, opOf } from "../../ops/table.ts";
import { ancestorIn, holderOf, readsOf } from "../../ir/walk.ts";
import { viewChain } from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import { recognizeNorm } from "../norm/norm.ts";

/** What is computed by a router's choice, as far as the residual stream. */
export interface Routed {
  /** All that depends on the choice, the choice included. */
  readonly nodes: ReadonlySet<Node>;
  /** What is added to the residual stream: one value of a mixture of experts, none behind a sampler. */
  readonly ends: ReadonlySet<Value>;
  /** Outputs of the graph that depend on it. */
  readonly outputs: ReadonlySet<Value>;
  /** A node of another block that depends on the choice, where no addition lay between. */
  readonly strayed: Node | null;
}

/** Whether a node adds its first two operands, and normalizes the sum or not. */
function isAddition(node: Node): boolean {
  return node.op === "Add" || opOf(node).norm?.adds === true;
}

/** Walks on from a router's choice to the addition to the residual stream: to what the block's input does not make. */
export class RoutedFlow {
  readonly #index: GraphIndex;
  readonly #others: ReadonlySet<Node>;
  /** The block's input, as the router reads it and as what that is a view of. */
  readonly #inputs: readonly Value[];
  readonly #start: number;
  readonly #fromInput = new Set<Node>();
  /** The first node that it is not known of whether it is computed from the input. */
  #next: Node | null;

  /**
   * @param source what the router reads
   * @param others nodes of other blocks
   */
  constructor(source: Value, index: GraphIndex, others: ReadonlySet<Node>) {
    this.#index = index;
    this.#others = others;
    this.#inputs = viewChain(source);
    const producer = this.#inputs.at(-1)?.producer ?? null;
    const isHere = producer?.graph === index.graph;
    this.#start = isHere ? index.position(producer) : -1;
    this.#next = isHere ? producer.next : index.graph.first;
  }

  from(choices: readonly Node[]): Routed {
    const nodes = new Set<Node>(choices);
    const ends = new Set<Value>();
    const outputs = new Set<Value>();
    const pending = choices.flatMap((node) => node.outputs);
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      for (const use of at.uses) {
        // A reader inside a node's graphs is that node's.
        const holder = use.kind === "input" ? use.node : holderOf(use.graph);
        const node = holder === null ? null : ancestorIn(this.#index.graph, holder);
        if (node === null) {
          outputs.add(at);
          continue;
        }
        if (this.#others.has(node)) return { nodes, ends, outputs, strayed: node };
        if (this.#isResidual(node, at)) ends.add(at);
        else if (!nodes.has(node)) {
          nodes.add(node);
          pending.push(...node.outputs);
        }
      }
    }
    return { nodes, ends, outputs, strayed: null };
  }

  /** Some nodes with all that they read from behind the block's input on, in no order: as far as other blocks. */
  withSources(nodes: Iterable<Node>): ReadonlySet<Node> {
    const found = new Set<Node>(nodes);
    const pending = [...found];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      for (const { producer } of readsOf(at)) {
        if (producer?.graph !== this.#index.graph || found.has(producer) || this.#others.has(producer))
          continue;
        if (this.#index.position(producer) <= this.#start) continue;
        found.add(producer);
        pending.push(producer);
      }
    }
    return found;
  }

  /** Whether a value is the block's input, or computed from it by this block. */
  isFromInput(value: Value): boolean {
    if (this.#inputs.includes(value)) return true;
    const node = value.producer;
    if (node?.graph !== this.#index.graph || this.#index.position(node) <= this.#start) return false;
    this.#scanTo(node);
    return this.#fromInput.has(node);
  }

  /** Marks what is computed from the input, in the graph's order, as far as a node. */
  #scanTo(last: Node): void {
    const end = this.#index.position(last);
    for (; this.#next !== null && this.#index.position(this.#next) <= end; this.#next = this.#next.next) {
      if (this.#others.has(this.#next)) continue;
      const isFromInput = readsOf(this.#next).some(
        (value) =>
          this.#inputs.includes(value) || (value.producer !== null && this.#fromInput.has(value.producer)),
      );
      if (isFromInput) this.#fromInput.add(this.#next);
    }
  }

  #isResidual(node: Node, routed: Value): boolean {
    if (!isAddition(node)) return false;
    const [a, b] = [node.input(0), node.input(1)];
    const other = a === routed ? b : b === routed ? a : null;
    if (other === null || !this.#index.activations.has(other)) return false;
    // With norms behind the blocks the input is the residual stream itself.
    const whole = wholeOf(other, routed);
    const isInput = viewChain(whole).some((value) => this.#inputs.includes(value));
    return isInput || !this.isFromInput(whole);
  }
}

/**
 * What a block made, of what is added to the residual stream: before a norm behind the block, and before a constant
 * factor of the residual branch.
 */
export function behindNorm(added: Value, isInside: (node: Node) => boolean): Value {
  let at = added;
  for (;;) {
    const next = unscaled(at) ?? normalized(at);
    if (!next?.producer || !isInside(next.producer)) return at;
    at = next;
  }
}

/** What was added to the residual stream before rows were chosen of both: for logits of some positions only. */
export function beforeRows(added: Value): Value {
  const additions = [...added.users].filter(isAddition);
  const others = additions.flatMap((node) => [node.input(0), node.input(1)]);
  return others.map((other) => wholeOf(added, other)).find((whole) => whole !== added) ?? added;
}

/** What rows were chosen of, where the same rows were chosen of another value; else the value itself. */
function wholeOf(value: Value, other: Value | null): Value {
  const [own, twin] = [value.producer, other?.producer ?? null];
  if (own === null || twin === null || own === twin || !has(own, "rows")) return value;
  return choosesAlike(own, twin) ? (own.input(0) ?? value) : value;
}

function choosesAlike(one: Node, other: Node): boolean {
  return (
    one.op === other.op &&
    one.inputs.length === other.inputs.length &&
    one.inputs.every((value, i) => i === 0 || value === other.input(i)) &&
    ["axis", "batch_dims"].every((name) => one.int(name) === other.int(name))
  );
}

function unscaled(value: Value): Value | null {
  const node = value.producer;
  if (node?.op !== "Mul") return null;
  const [a, b] = [node.input(0), node.input(1)];
  if (scalarOf(b) !== null) return a;
  return scalarOf(a) !== null ? b : null;
}

function normalized(value: Value): Value | null {
  return recognizeNorm(value)?.input ?? null;
}
