import type { Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { before, Builder } from "../../../compiler/ir/builder.ts";
import { attribute } from "../../../compiler/ir/attribute.ts";
import { dropIfUnread, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { sortNodes } from "../../../compiler/ir/sort.ts";
import { elementTypeOf } from "../../../compiler/ops/element-type.ts";
import { has } from "../../../compiler/ops/table.ts";
import { nodesIn, type NodeVisitor } from "../../../compiler/pass/node-walker.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import { viewDecoder, type DecoderView } from "../../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../../compiler/recognize/known-shapes.ts";
import type { Region } from "../../../compiler/recognize/region.ts";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import type { Shapes, ShapesLike } from "../../../compiler/recognize/symbolic/shapes.ts";
import { constantTarget } from "./_constant-shapes.ts";
import { shareRepeated } from "./_repeated.ts";
import { shiftedRange } from "./_shifted-ranges.ts";
import { SizeValues } from "./_size-values.ts";
import { modelsIn, readShapesOfValues } from "./_value-shapes.ts";
import { wholeGather, type WholeGather } from "./_whole-gathers.ts";

/**
 * Computes sizes once for all layers, from the graph's inputs, and writes as numbers what is no more than that.
 *
 * Before: `s = Shape (x)`, `b = Gather (s, 0)`, … `t = Concat (b, n, -1, 32)`, `y = Reshape (q, t)`, in each layer anew.
 * After: `y = Reshape (q, {0, 0, 4, 32})`. What two layers compute alike is computed once, and what changes nothing goes:
 * a Slice of all there is, an Expand to the size that is there.
 */
export const hoistShapes: Pass<object, NodeVisitor> = {
  name: "hoist-shapes",
  summary: "compute sizes once for all layers",
  options: {},
  stats: ["constant", "shared", "idle", "read"],
  requires: [],
  walk: nodesIn("main"),
  visitor: ({ model, rewriter, analysis, count }) => ({
    model: {
      exit: () => {
        const view = analysis(viewDecoder);
        const blocks = regionsOf(view);
        const hoisting = new Hoisting(model, rewriter, knownShapes(view), blocks);
        const once = hoisting.shareSizes();
        count("idle", hoisting.viewGathers() + hoisting.dropIdle());
        count("constant", hoisting.writeTargets());
        hoisting.shiftRanges();
        // What the steps before have made may be there already.
        const again = hoisting.shareSizes();
        count("shared", once + again + shareRepeated(model.graph, rewriter));
        // Sizes of one layer may be those that another one before it reads.
        sortNodes(rewriter, model.graph);
        count("read", hoisting.readShapes(blocks));
      },
    },
  }),
};

/** The blocks that are understood, in the order of the layers. */
function regionsOf({ layers }: DecoderView): readonly Region[] {
  const blocks = layers.flatMap(({ attention, mlp }) => [attention, mlp]);
  return blocks.flatMap((block) => (block === null || block.kind === "site" ? [] : [block.region]));
}

/** The first of some values of which something is found. */
function first<T>(
  values: readonly (Value | null)[],
  find: (value: Value) => T | null,
): { readonly of: Value; readonly found: T } | null {
  for (const of of values) {
    const found = of === null ? null : find(of);
    if (of !== null && found !== null) return { of, found };
  }
  return null;
}

/** No exporter reshapes more often before it is back. */
const MOST_RESHAPES = 4;

class Hoisting {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #like: ShapesLike;
  readonly #elements: Elements;
  readonly #shapes: Shapes;
  readonly #sizes: SizeValues;

  constructor(model: Model, rw: Rewriter, like: ShapesLike, blocks: readonly Region[]) {
    this.#model = model;
    this.#rw = rw;
    this.#like = like;
    this.#elements = new Elements(like);
    this.#shapes = this.#elements.shapes;
    this.#sizes = new SizeValues(rw, model.graph, this.#elements, new Set(modelsIn(model.graph, blocks)));
  }

  /** Makes a Gather of all there is a view of it. */
  viewGathers(): number {
    let count = 0;
    for (const node of this.#nodes()) {
      if (node.domain !== "" || (node.op !== "Gather" && node.op !== "GatherND")) continue;
      const whole = wholeGather(node, this.#shapes, this.#like);
      const made = whole === null ? null : this.#viewed(whole, node);
      if (made === null) continue;
      const { result: old } = node;
      takeOver(this.#rw, old, made);
      dropIfUnread(this.#rw, [old]);
      count++;
    }
    return count;
  }

  #viewed({ source, axes, cuts }: WholeGather, node: Node): Value | null {
    const [b, name] = [new Builder(this.#rw, before(node)), node.result.name ?? ""];
    let made = source;
    for (const { axis, size } of cuts) {
      const end = this.#sizes.vector(size);
      if (end === null) return null;
      made = b.slice(made, 0, end, axis, `${name}_cut_${axis}`);
    }
    return axes.length === 0 ? made : b.unsqueeze(made, axes, name);
  }

  /** Makes a Range that is added to one of its own. */
  shiftRanges(): void {
    for (const node of this.#nodes()) {
      if (node.domain !== "" || (node.op !== "Add" && node.op !== "Sub")) continue;
      const range = shiftedRange(node, this.#elements, this.#sizes);
      if (range === null) continue;
      const { result: old } = node;
      const b = new Builder(this.#rw, before(node));
      const made = b.op("Range", [range.start, range.limit, b.int(1)], old.name ?? "");
      takeOver(this.#rw, old, made);
      dropIfUnread(this.#rw, [old]);
    }
  }

  /** Has shapes that are still put together read off values that have them. */
  readShapes(blocks: readonly Region[]): number {
    return readShapesOfValues(this.#model.graph, this.#rw, this.#shapes, this.#sizes, blocks);
  }

  /** Removes what hands its operand on as it is. */
  dropIdle(): number {
    let count = 0;
    for (const node of this.#nodes()) {
      const source = node.graph === null ? null : this.#handedOn(node);
      if (source === null) continue;
      const { result: old } = node;
      takeOver(this.#rw, old, source);
      dropIfUnread(this.#rw, [old]);
      count++;
    }
    return count;
  }

  /** Gives a Reshape or Expand its target in numbers. */
  writeTargets(): number {
    let count = 0;
    for (const node of this.#nodes()) {
      if (node.op !== "Reshape" && node.op !== "Expand") continue;
      const sources = node.op === "Reshape" ? this.#reshapedFrom(node) : [node.input(0)];
      const target = first(sources, (from) => constantTarget(node, from, this.#shapes, this.#sizes.firm));
      if (target === null) continue;
      const old = [node.input(0), node.input(1)];
      this.#rw.setInput(node, 0, target.of);
      this.#rw.setInput(node, 1, this.#sizes.constant(target.found));
      if (node.int("allowzero") === 1) this.#rw.setAttribute(node, "allowzero", attribute.int(0));
      dropIfUnread(this.#rw, old);
      count++;
    }
    return count;
  }

  /** Has one value for equal sizes. */
  shareSizes(): number {
    let count = 0;
    for (const node of this.#nodes()) {
      for (const value of node.graph === null ? [] : node.outputs) {
        const first = value.isOutput ? value : this.#sizes.shared(value);
        if (first === value) continue;
        this.#rw.replaceUses(value, first);
        dropIfUnread(this.#rw, [value]);
        count++;
      }
    }
    return count;
  }

  #nodes(): readonly Node[] {
    return [...this.#model.graph.nodes];
  }

  /** What a node makes nothing else of; null where it makes something. */
  #handedOn(node: Node): Value | null {
    const [input, output] = [node.input(0), node.output(0)];
    if (input === null || output === null || output.isOutput || node.domain !== "") return null;
    switch (node.op) {
      case "Identity":
        return input;
      case "Concat":
        return node.inputs.length === 1 ? input : null;
      case "Cast":
        return elementTypeOf(input) !== null && elementTypeOf(input) === elementTypeOf(output) ? input : null;
      case "Slice":
        return this.#keepsShape(input, output) && this.#isForward(node) ? input : null;
      case "Expand":
        return this.#keepsShape(input, output) ? input : null;
      case "Reshape":
        return this.#reshapedBack(node);
      default:
        return null;
    }
  }

  /** What was in the same shape before it was reshaped, once or more often. */
  #reshapedBack(node: Node): Value | null {
    return this.#reshapedFrom(node).find((value) => this.#keepsShape(value, node.result)) ?? null;
  }

  /** What a node reshapes, and what that is a reshape of, nearest first. */
  #reshapedFrom(node: Node): readonly Value[] {
    const found: Value[] = [];
    let at = node.input(0);
    while (at !== null && found.length < MOST_RESHAPES) {
      found.push(at);
      at = at.producer !== null && has(at.producer, "reshape") ? at.producer.input(0) : null;
    }
    return found;
  }

  #keepsShape(input: Value, output: Value): boolean {
    const [from, to] = [this.#shapes.of(input), this.#shapes.of(output)];
    return (
      from !== null && from.length === to?.length && from.every((size, axis) => size.key === to[axis]?.key)
    );
  }

  #isForward(node: Node): boolean {
    const rank = this.#shapes.of(node.input(0))?.length ?? 0;
    return this.#shapes.cuts(node, rank)?.every(({ step }) => step === 1) === true;
  }
}
