import { isFloat } from "../../../compiler/ir/dtype.ts";
import { after, before, Builder } from "../../../compiler/ir/builder.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { dropIfUnread } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { elementTypeOf } from "../../../compiler/ops/element-type.ts";
import { Polynomial } from "../../../compiler/recognize/symbolic/polynomial.ts";
import type { Region } from "../../../compiler/recognize/region.ts";
import type { Shapes, Sizes } from "../../../compiler/recognize/symbolic/shapes.ts";
import type { SizeValues } from "./_size-values.ts";

/** The operand that says the shape of an op's result. */
const targets: ReadonlyMap<string, number> = new Map([
  ["Reshape", 1],
  ["Expand", 1],
  ["ConstantOfShape", 0],
]);

/**
 * Reads a shape that is put together of sizes off a value that has it: `Shape` gives it to the CPU, while a Concat
 * would be computed there. Such a value is a graph input, one with axes of one element put in, what is computed in
 * front of all blocks, or what the first one is given: the embeddings have the shape of what each mixture makes.
 * What is computed inside of a block stays there.
 *
 * @param graph in topological order
 * @returns how many targets are read so
 */
export function readShapesOfValues(
  graph: Graph,
  rw: Rewriter,
  shapes: Shapes,
  sizes: SizeValues,
  blocks: readonly Region[],
): number {
  const readers = [...graph.nodes].filter((node) => isComputed(node));
  if (readers.length === 0) return 0;
  const models = new Models(graph, rw, shapes, sizes, blocks);
  let count = 0;
  for (const node of readers) {
    const operand = targets.get(node.op) ?? 0;
    const [old, shape] = [node.input(operand), models.shapeFor(node)];
    if (old === null || shape === null) continue;
    rw.setInput(node, operand, shape);
    dropIfUnread(rw, [old]);
    count++;
  }
  return count;
}

/** Values that others may be given the shape of: inputs, those in front of all blocks, and what the first one is given. */
export function modelsIn(graph: Graph, blocks: readonly Region[]): readonly Value[] {
  const inBlocks = new Set(blocks.flatMap(({ nodes }) => nodes));
  const models = [...graph.inputs];
  for (const node of graph.nodes) {
    if (inBlocks.has(node)) break;
    models.push(...node.outputs.filter((value) => isFloating(value) || isStretched(value)));
  }
  // Of no later block: its shape would be an input of that block beside the value itself.
  const given = blocks.slice(0, 1).map(({ input }) => input);
  return [...models, ...given.filter((value) => value.producer?.graph === graph)];
}

/** A graph input with axes of one element put between its own. */
function isStretched({ producer }: Value): boolean {
  return producer?.op === "Unsqueeze" && producer.input(0)?.isInput === true;
}

/** Whether the target of a node is put together of sizes. */
function isComputed(node: Node): boolean {
  const operand = node.domain === "" ? targets.get(node.op) : undefined;
  const maker = operand === undefined ? null : (node.input(operand)?.producer ?? null);
  return maker?.op === "Concat" && maker.graph === node.graph;
}

/** Values that others are given the shape of. */
class Models {
  readonly #graph: Graph;
  readonly #rw: Rewriter;
  readonly #shapes: Shapes;
  readonly #sizes: SizeValues;
  readonly #models = new Map<string, Value>();
  readonly #made = new Map<string, Value>();
  readonly #positions: ReadonlyMap<Node, number>;

  constructor(graph: Graph, rw: Rewriter, shapes: Shapes, sizes: SizeValues, blocks: readonly Region[]) {
    this.#graph = graph;
    this.#rw = rw;
    this.#shapes = shapes;
    this.#sizes = sizes;
    this.#positions = new Map([...graph.nodes].map((node, position) => [node, position]));
    for (const value of modelsIn(graph, blocks)) this.#add(value);
  }

  /** The shape that a node makes, or one that makes an Expand do the same; null where no value has it. */
  shapeFor(node: Node): Value | null {
    const to = this.#shapes.of(node.output(0));
    if (to === null || to.length < 2) return null;
    return (
      this.#shapeOf(to, node) ?? (node.op === "Expand" ? this.#shapeOf(this.#added(node, to), node) : null)
    );
  }

  /** What an Expand adds: ones where its operand has the size already. */
  #added(node: Node, to: Sizes): Sizes {
    const from = this.#shapes.of(node.input(0)) ?? [];
    return to.map((size, axis) =>
      from[axis - to.length + from.length]?.equals(size) === true ? Polynomial.ONE : size,
    );
  }

  #shapeOf(sizes: Sizes, reader: Node): Value | null {
    const whole = this.#models.get(keyOf(sizes));
    if (whole !== undefined && !this.#isBefore(whole, reader)) return null;
    const known = this.#made.get(keyOf(sizes));
    if (known !== undefined) return known;
    const model = whole ?? this.#stretched(sizes);
    if (model === null) return null;
    const b = this.#behind(model);
    const made = b?.op("Shape", [model], `${model.name ?? "value"}_shape`) ?? null;
    if (made !== null) this.#made.set(keyOf(sizes), made);
    return made;
  }

  /** Models are found in the order of the graph: where the first that has a shape comes too late, all do. */
  #isBefore({ producer }: Value, reader: Node): boolean {
    const at = (node: Node): number => this.#positions.get(node) ?? 0;
    return producer === null || at(producer) < at(reader);
  }

  /** A graph input with axes of one element put between its own. */
  #stretched(sizes: Sizes): Value | null {
    const axes = sizes.flatMap((size, axis) => (size.constant === 1 ? [axis] : []));
    const input = this.#models.get(keyOf(sizes.filter((size) => size.constant !== 1)));
    if (axes.length === 0 || input?.isInput !== true) return null;
    const [b, name] = [this.#behind(input), `${input.name ?? "input"}_stretched`];
    if (b === null) return null;
    return b.opset < 13
      ? b.unsqueeze(input, axes, name)
      : b.op("Unsqueeze", [input, this.#sizes.constant(axes)], name);
  }

  /** As early as a value can be read. */
  #behind({ producer }: Value): Builder | null {
    const { first } = this.#graph;
    if (producer !== null) return new Builder(this.#rw, after(producer));
    return first === null ? null : new Builder(this.#rw, before(first));
  }

  #add(value: Value): void {
    const sizes = this.#shapes.of(value);
    if (sizes === null || this.#models.has(keyOf(sizes))) return;
    this.#models.set(keyOf(sizes), value);
  }
}

function keyOf(sizes: Sizes): string {
  return sizes.map(({ key }) => key).join(", ");
}

/** What holds numbers of layers is where layers are computed. */
function isFloating(value: Value): boolean {
  const type = elementTypeOf(value);
  return type !== null && isFloat(type);
}
