import type { Graph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import { graphsDeep } from "../ir/walk.ts";

/** How deep functions that call functions are looked into. */
const DEEPEST = 32;

/**
 * The nodes whose results only say how large something is or where it is cut: arithmetic on shapes, which a picture of
 * a decoder is easier to read without.
 */
export class Quiet {
  readonly #model: Model;
  readonly #nodes = new Set<Node>();
  readonly #seen = new Set<Graph>();

  constructor(model: Model) {
    this.#model = model;
    this.#visit(model.graph, 0);
    for (const { body } of model.functions.values()) this.#visit(body, 0);
  }

  has(node: Node): boolean {
    return this.#nodes.has(node);
  }

  #visit(root: Graph, depth: number): void {
    if (this.#seen.has(root)) return;
    this.#seen.add(root);
    // Inner graphs read values of outer ones, and come first; within a graph readers come behind what they read.
    for (const graph of graphsDeep(root).toReversed()) {
      for (const node of [...graph.nodes].reverse()) {
        const callee = this.#model.callee(node);
        if (callee !== undefined && depth < DEEPEST) this.#visit(callee.body, depth + 1);
        if (node.subgraphs.length === 0 && this.#isQuiet(node)) this.#nodes.add(node);
      }
    }
  }

  #isQuiet(node: Node): boolean {
    const read = node.outputs.filter(({ uses }) => uses.size > 0);
    return read.length > 0 && read.every((value) => this.#isSize(value));
  }

  /** Whether all that reads a value takes it for a size, an axis or an index of a cut. */
  #isSize({ uses }: Value): boolean {
    if (uses.size === 0) return false;
    for (const use of uses) {
      if (use.kind === "output" || !this.#takesSize(use.node, use.index)) return false;
    }
    return true;
  }

  #takesSize(node: Node, index: number): boolean {
    if (this.#nodes.has(node)) return true;
    const formal = this.#model.callee(node)?.body.inputs[index];
    if (formal !== undefined) return this.#isSize(formal);
    return takesSize(node.op, index);
  }
}

/** Ops whose operands behind the first say how large, how often or from where. */
const layoutOps: ReadonlySet<string> = new Set([
  ...[
    "Reshape",
    "Expand",
    "Tile",
    "Slice",
    "Pad",
    "Split",
    "Squeeze",
    "Unsqueeze",
    "TopK",
    "Resize",
    "OneHot",
  ],
  ...["Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "SumSquare"].map((name) => `Reduce${name}`),
]);

/** Ops all of whose operands are sizes, or of whose operand the size alone is taken. */
const sizeOps: ReadonlySet<string> = new Set(["Shape", "Size", "ConstantOfShape", "Range"]);

function takesSize(op: string, index: number): boolean {
  return sizeOps.has(op) || (index > 0 && layoutOps.has(op));
}
