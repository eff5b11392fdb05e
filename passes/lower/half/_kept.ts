import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { nodesDeep } from "../../../compiler/ir/walk.ts";
import { constantOf } from "../../../compiler/ops/constant.ts";
import { has } from "../../../compiler/ops/table.ts";
import type { DecoderView } from "../../../compiler/recognize/decoder.ts";
import { isSame, liveReaders } from "../../../compiler/recognize/norm/readers.ts";
import { readFactor, type Factor } from "../../../compiler/recognize/norm/statistics.ts";

/**
 * How a node that stays in float32 reads constants: `exact`, as they are stored, or `rounded`, as numbers of the model's
 * type: what Hugging Face keeps in that type, and casts.
 */
export type Reading = "exact" | "rounded";

/** The nodes that Hugging Face's models compute in float32 whatever their type, and where they cast back. */
export interface Kept {
  readonly nodes: ReadonlyMap<Node, Reading>;
  /** Results that are cast back at once. Others are where they meet what is in the model's type. */
  readonly ends: ReadonlySet<Value>;
}

/** Finds what stays in float32: norms, Softmax, angles of rotary embeddings, routers by Sigmoid, sums of integers. */
export function keptIn(model: Model, view: DecoderView): Kept {
  const found = new Finder();
  const graphs = [model.graph, ...[...model.functions.values()].map(({ body }) => body)];
  for (const graph of graphs) found.look(graph);
  found.routers(view);
  return found;
}

/** Ops whose result may be of a magnitude that float16 has not, or that are sums of many. */
const wide: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax", "ReduceL2", "ReduceSumSquare"]);

class Finder implements Kept {
  readonly nodes = new Map<Node, Reading>();
  readonly ends = new Set<Value>();

  look(graph: Graph): void {
    for (const node of nodesDeep(graph)) {
      if (wide.has(node.op)) this.#keep(node, "rounded");
      else if (node.op === "ReduceMean" || node.op === "ReduceSum") this.#reduction(node);
      else if (node.op === "Cos" || node.op === "Sin") this.#angles(node);
      else if (isSumInPlaces(node)) {
        this.#keep(node, "rounded");
        this.ends.add(node.result);
      } else if (node.op === "MatMulInteger" || node.op === "ConvInteger") this.#integers(node);
    }
  }

  /** Routers by Sigmoid compute their scores in float32, from the product on; of others Softmax is kept already. */
  routers({ layers }: DecoderView): void {
    for (const { mlp } of layers) {
      if (mlp?.kind !== "moe" || mlp.router.scoring !== "sigmoid") continue;
      const { linear, choices } = mlp.router;
      for (const node of linear.nodes) this.#keep(node, "rounded");
      const chosen = new Set<Node>(choices);
      for (const node of behind(linear.output, chosen)) this.#keep(node, "exact");
    }
  }

  #keep(node: Node, reading: Reading): void {
    if (!this.nodes.has(node)) this.nodes.set(node, reading);
  }

  /** A mean or sum of squares, and what norm is made of it. */
  #reduction(mean: Node): void {
    const square = mean.input(0)?.producer ?? null;
    if (square === null || !isSquare(square)) return;
    const factor = mean.op === "ReduceMean" ? readFactor(mean) : null;
    this.#keep(square, "rounded");
    this.#keep(mean, "rounded");
    if (factor === null || "why" in factor) this.#statistics(mean.result);
    else this.#norm(mean, factor);
  }

  /** What is computed of a mean alone, when the norm that it belongs to is not understood. */
  #statistics(mean: Value): void {
    for (let at: Value | null = mean; at !== null;) {
      const own: Value = at;
      const next: Node | undefined = liveReaders(own).find(
        (node) => has(node, "statistic") && node.inputs.every((value) => value === own || isStored(value)),
      );
      if (next === undefined || this.nodes.has(next)) return;
      this.#keep(next, "rounded");
      at = next.output(0);
    }
  }

  /** From what is squared to the product with the inverse root, and the weight where it is computed in float32. */
  #norm(mean: Node, { of, node }: Factor): void {
    for (let at = mean.result; at.producer !== node;) {
      const [next] = liveReaders(at);
      if (next === undefined) return;
      this.#keep(next, "rounded");
      at = next.result;
    }
    const centred = node.inputs.filter((value) => value !== null && isSame(value, of));
    const isCentred = [...centred, of].map((value) => this.#centre(value)).includes(true);
    this.ends.add(this.#scaled(node.result, isCentred));
  }

  /** A value less its own mean, both kept. @returns whether it is that */
  #centre(value: Value | null): boolean {
    const node = value?.producer ?? null;
    const mean = node?.input(1)?.producer ?? null;
    if (node?.op !== "Sub" || mean?.op !== "ReduceMean" || !isSame(mean.input(0), node.input(0)))
      return false;
    this.#keep(node, "rounded");
    this.#keep(mean, "rounded");
    return true;
  }

  /**
   * The result of a norm in float32. Llama casts back in front of the weight; behind it do Gemma, whose weight is 1 + W,
   * norms of centred values, and those whose exporter left a cast there.
   */
  #scaled(normalized: Value, isCentred: boolean): Value {
    const product = onlyReader(normalized);
    const weight = product?.inputs.find((value) => value !== normalized) ?? null;
    if (product?.op !== "Mul" || weight === null) return normalized;
    const isCastBehind = onlyReader(product.result)?.op === "Cast";
    if (!isCentred && !isComputed(weight) && !isCastBehind) return normalized;
    this.#keep(product, "rounded");
    const sum = isCentred ? onlyReader(product.result) : null;
    if (sum?.op !== "Add" || !sum.inputs.some((value) => value !== product.result && isStored(value)))
      return product.result;
    this.#keep(sum, "rounded");
    return sum.result;
  }

  /** All that angles are computed of, back to integers. */
  #angles(node: Node): void {
    const pending = [node];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (this.nodes.get(at) === "exact" || has(at, "shape")) continue;
      this.nodes.set(at, "exact");
      const inner = at.subgraphs.flatMap(({ outputs }) => outputs);
      for (const value of [...at.inputs, ...inner])
        if (value?.producer && value.producer.op !== "Constant") pending.push(value.producer);
    }
  }

  /** Sums of products of integers, which float16 cannot hold, up to the product with their scales. */
  #integers(sum: Node): void {
    const cast = sum.output(0) === null ? null : onlyReader(sum.result);
    const product = cast?.op === "Cast" ? onlyReader(cast.result) : null;
    if (cast === null || product?.op !== "Mul") return;
    const scales = product.inputs.find((value) => value !== cast.result)?.producer ?? null;
    this.#keep(cast, "exact");
    this.#keep(product, "exact");
    if (scales?.op === "Mul") this.#keep(scales, "exact");
    this.ends.add(product.result);
  }
}

/** Nodes between a value and those that choose by it. */
function behind(value: Value, chosen: ReadonlySet<Node>): ReadonlySet<Node> {
  const leading = new Map<Node, boolean>();
  const leads = (node: Node, depth: number): boolean => {
    const known = leading.get(node);
    if (known !== undefined) return known;
    leading.set(node, false);
    const found = depth < MOST_STEPS && [...node.outputs].some((out) => [...out.users].some(isNext(depth)));
    leading.set(node, found);
    return found;
  };
  const isNext = (depth: number) => (node: Node) => chosen.has(node) || leads(node, depth + 1);
  for (const node of value.users) if (!chosen.has(node)) leads(node, 0);
  return new Set([...leading].flatMap(([node, found]) => (found ? [node] : [])));
}

/** Ops between a router's product and its choice. */
const MOST_STEPS = 12;

/** Whether a node adds to elements of its operand: onnxruntime's CPU provider does not in float16, though it has the op. */
function isSumInPlaces(node: Node): boolean {
  const isScatter = node.op === "ScatterElements" || node.op === "ScatterND";
  return isScatter && (node.string("reduction") ?? "none") !== "none";
}

function isSquare(node: Node): boolean {
  if (node.op === "Mul") return isSame(node.input(0), node.input(1));
  const exponent = node.op === "Pow" ? constantOf(node.input(1)) : null;
  return exponent?.size === 1;
}

/** The node that alone reads a value. */
function onlyReader(value: Value): Node | null {
  const [reader, ...more] = liveReaders(value);
  return reader === undefined || more.length > 0 || value.isOutput ? null : reader;
}

/** Whether a weight is a sum, such as 1 + W. */
function isComputed(weight: Value): boolean {
  let node = weight.producer;
  while (node !== null && (has(node, "view") || node.op === "Identity"))
    node = node.input(0)?.producer ?? null;
  return node?.op === "Add" && node.inputs.every((value) => isStored(value));
}

/** Whether a value is stored, also behind ops that only lay it out. */
function isStored(value: Value | null): boolean {
  let at = value;
  while (at?.producer && has(at.producer, "view")) at = at.producer.input(0);
  return constantOf(at) !== null;
}
