import { calleesOf } from "../ir/calls.ts";
import type { Graph } from "../ir/graph.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import type { DecoderView } from "../recognize/decoder.ts";
import type { Box } from "./boxes.ts";
import type { Drawing, Part } from "./data.ts";
import { Drawer, nameOf, type Actuals, type Drawn, type Item, type Off } from "./drawer.ts";
import { groupsIn, type Group } from "./groups.ts";
import { encodeNames } from "./names.ts";
import { Quiet } from "./quiet.ts";
import { rolesOf } from "./roles.ts";
import { added, NOTHING, Weights, type Amount } from "./weights.ts";

/** What parts are made of. */
export interface Material {
  readonly model: Model;
  readonly view: DecoderView;
  readonly boxes: readonly Box[];
  readonly isTraining: boolean;
  /** What recognition says of a block, by its answer. */
  readonly facts: ReadonlyMap<object, Part["facts"]>;
  readonly off: ReadonlyMap<Node, Off>;
  /** Weights of adapters that are inputs of the graph. */
  readonly fed: ReadonlySet<Value>;
}

/** The parts of a model, and where its boxes and nodes are among them. */
export interface Parts {
  readonly parts: readonly Part[];
  readonly drawings: readonly Drawing[];
  readonly ofBox: ReadonlyMap<Box, number>;
  /** The part that each node of the graphs stands in: the innermost. */
  readonly ofNode: ReadonlyMap<Node, number>;
  /** The layer parts, by graph and group. */
  readonly ofLayer: ReadonlyMap<Graph, ReadonlyMap<string, number>>;
}

/** Makes everything that can be opened, the main graph first. */
export function partsOf(material: Material): Parts {
  return new Builder(material).build();
}

/** What is known of a part before its drawing is. */
type Head = Pick<Part, "name" | "kind" | "layer" | "within"> & { readonly facts?: Part["facts"] };

class Builder {
  readonly #material: Material;
  readonly #drawer: Drawer;
  readonly #weights: Weights;
  readonly #parts: (Part | undefined)[] = [];
  readonly #names = new Map<string, number>();
  readonly #functions = new Map<Func, number>();
  readonly #boxes = new Map<Graph, Box[]>();
  readonly #ofBox = new Map<Box, number>();
  readonly #ofNode = new Map<Node, number>();
  readonly #ofLayer = new Map<Graph, Map<string, number>>();

  constructor(material: Material) {
    const { model, view, off, fed, boxes } = material;
    this.#material = material;
    this.#weights = new Weights(model);
    const known = { quiet: new Quiet(model), roles: rolesOf(model, view, boxes), off, fed };
    this.#drawer = new Drawer(known, (part) => this.#parts[part]?.drawing ?? -1);
    for (const box of boxes) this.#boxes.set(box.graph, [...(this.#boxes.get(box.graph) ?? []), box]);
  }

  build(): Parts {
    const { model } = this.#material;
    const main = this.#reserve();
    for (const func of calleesFirst(model)) this.#function(func);
    this.#graph(model.graph, { name: model.graph.name, kind: "graph", layer: null, within: null }, main);
    return {
      parts: this.#parts.filter((part) => part !== undefined),
      drawings: this.#drawer.drawings,
      ofBox: this.#ofBox,
      ofNode: this.#ofNode,
      ofLayer: this.#ofLayer,
    };
  }

  #reserve(): number {
    return this.#parts.push(undefined) - 1;
  }

  #function(func: Func): void {
    const index = this.#reserve();
    this.#functions.set(func, index);
    const name = `${func.domain}.${func.name}${func.overload === "" ? "" : `:${func.overload}`}`;
    const head = { name, kind: "function", layer: null, within: null } as const;
    const items = [...func.body.nodes].map((node) => this.#item(node, index));
    this.#finish(index, head, this.#drawer.draw(items), NOTHING, 0);
  }

  /** A graph with its layers as one node each. */
  #graph(graph: Graph, head: Head, index: number): void {
    const { view, isTraining } = this.#material;
    const boxes = this.#boxes.get(graph) ?? [];
    const seen = view.seen.filter((one) => one.graph === graph);
    const groups = groupsIn(graph, boxes, seen, isTraining);
    const boxOf = new Map(boxes.flatMap((box) => box.nodes.map((node) => [node, box] as const)));
    const layers = new Map<string, { readonly group: Group; readonly nodes: Node[] }>();
    const loose: Node[] = [];
    for (const node of graph.nodes) {
      const group = groups.get(boxOf.get(node)?.nodes[0] ?? node);
      if (group === undefined) loose.push(node);
      else {
        const key = layerKey(group);
        const known = layers.get(key) ?? { group, nodes: [] };
        layers.set(key, known);
        known.nodes.push(node);
      }
    }
    const made = [...layers].map(([key, { group, nodes }]) => {
      const part = this.#layer(group, nodes, boxOf, index);
      const ofGraph = this.#ofLayer.get(graph) ?? new Map<string, number>();
      this.#ofLayer.set(graph, ofGraph.set(key, part));
      return this.#partItem(part, nodes);
    });
    const items = [...made, ...this.#items(loose, boxOf, index)];
    const own = this.#weights.take(loose.filter((node) => !boxOf.has(node) && node.subgraphs.length === 0));
    const holders = this.#weights.take(loose.filter((node) => !boxOf.has(node)));
    // The main graph has what nobody reads, too.
    const rest = index === 0 ? this.#weights.rest() : NOTHING;
    const amount = [own, holders, rest, this.#inside(items)].reduce<Amount>(added, NOTHING);
    this.#finish(index, head, this.#drawer.draw(inOrder(items, graph)), amount, own.shared);
  }

  #layer(
    { layer, isBackward }: Group,
    nodes: readonly Node[],
    boxOf: ReadonlyMap<Node, Box>,
    within: number,
  ): number {
    const index = this.#reserve();
    const base =
      this.#material.view.layers.find((one) => one.index === layer)?.name ?? `model.layers.${layer}`;
    const items = this.#items(nodes, boxOf, index);
    const own = this.#weights.take(nodes.filter((node) => !boxOf.has(node)));
    const head: Head = { name: isBackward ? `${base}.gradient` : base, kind: "layer", layer, within };
    this.#finish(index, head, this.#drawer.draw(items), added(own, this.#inside(items)), own.shared);
    return index;
  }

  /** Boxes as one item each, at their last node; and the nodes between. */
  #items(nodes: readonly Node[], boxOf: ReadonlyMap<Node, Box>, within: number): readonly Item[] {
    return nodes.flatMap((node) => {
      const box = boxOf.get(node);
      if (box === undefined) return [this.#item(node, within)];
      return box.nodes.at(-1) === node ? [this.#partItem(this.#box(box, within), box.nodes)] : [];
    });
  }

  #box(box: Box, within: number): number {
    const index = this.#reserve();
    const { name, kind, layer, func, nodes, answer } = box;
    this.#ofBox.set(box, index);
    const [call] = nodes;
    const facts = answer === null ? [] : (this.#material.facts.get(answer) ?? []);
    const head: Head = { name, kind, layer, within, facts };
    if (func !== null && call !== undefined) {
      const items = [...func.body.nodes].map((node) => this.#item(node, index, false));
      this.#ofNode.set(call, index);
      const { shared, ...own } = this.#weights.take([call]);
      this.#finish(index, head, this.#drawer.draw(items, actualsOf(call, func)), own, shared);
      return index;
    }
    const items = nodes.map((node) => this.#item(node, index));
    const { shared, ...own } = this.#weights.take(nodes);
    this.#finish(index, head, this.#drawer.draw(items), added(own, this.#inside(items)), shared);
    return index;
  }

  /** @param isPlaced whether the node stands in a graph, and not in the body of a function */
  #item(node: Node, within: number, isPlaced = true): Item {
    if (isPlaced) this.#ofNode.set(node, within);
    const callee = this.#material.model.callee(node);
    const called = callee === undefined ? undefined : this.#functions.get(callee);
    const held = node.subgraphs.map((graph) => {
      const index = this.#reserve();
      const name = `${nameOf(node)}/${graph.name}`;
      this.#graph(graph, { name, kind: "graph", layer: null, within }, index);
      return index;
    });
    return { nodes: [node], part: null, opens: called === undefined ? held : [called, ...held] };
  }

  #partItem(index: number, nodes: readonly Node[]): Item {
    const { name = "", kind = "function" } = this.#parts[index] ?? {};
    return { nodes, part: { index, name, kind }, opens: [index] };
  }

  /** What the parts have that items open; functions have nothing. */
  #inside(items: readonly Item[]): Amount {
    const parts = items.flatMap(({ opens }) => opens.map((index) => this.#parts[index] ?? NOTHING));
    return parts.reduce<Amount>(added, NOTHING);
  }

  #finish(index: number, head: Head, drawn: Drawn, amount: Amount, shared: number): void {
    const { drawing, opens } = drawn;
    const [like] = this.#parts.filter((part) => part?.drawing === drawing && "nodes" in part.names);
    const names = encodeNames(drawn, like, this.#parts.indexOf(like), head.layer);
    const { parameters, bytes } = amount;
    const rest = { drawing, names, opens, parameters, bytes, shared, facts: head.facts ?? [] };
    this.#parts[index] = { ...head, name: this.#free(head.name), ...rest };
  }

  /** A name that finds this part alone: a merged decoder has each module twice. */
  #free(name: string): string {
    const count = (this.#names.get(name) ?? 0) + 1;
    this.#names.set(name, count);
    return count === 1 ? name : `${name} (${count})`;
  }
}

/** `3`, `3 backward` */
export function layerKey({ layer, isBackward }: Group): string {
  return `${layer}${isBackward ? " backward" : ""}`;
}

function actualsOf(call: Node, { body }: Func): Actuals {
  const given = new Map<Value, Value | null>();
  body.inputs.forEach((formal, i) => given.set(formal, call.input(i)));
  body.outputs.forEach((formal, i) => given.set(formal, call.output(i)));
  return given;
}

/** Items by where their last node stands. */
function inOrder(items: readonly Item[], graph: Graph): readonly Item[] {
  const positions = new Map([...graph.nodes].map((node, i) => [node, i] as const));
  const at = ({ nodes }: Item): number =>
    Math.max(...nodes.slice(-1).map((node) => positions.get(node) ?? 0));
  return items
    .map((item) => [at(item), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** Functions behind those that they call. An explicit stack: functions may call each other in a long chain. */
function calleesFirst(model: Model): readonly Func[] {
  const done = new Set<Func>();
  const entered = new Set<Func>();
  for (const root of model.functions.values()) {
    const stack = [root];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (!entered.has(top)) {
        entered.add(top);
        stack.push(...[...calleesOf(model, top.body)].filter((func) => !entered.has(func)));
        continue;
      }
      stack.pop();
      done.add(top);
    }
  }
  return [...done];
}
