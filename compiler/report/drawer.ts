import type { Node } from "../ir/node.ts";
import { tensorType, typeText } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { nodesDeep, readsOf } from "../ir/walk.ts";
import { constantOf } from "../ops/constant.ts";
import { attributeText } from "../text/print-attribute.ts";
import { contentText } from "../text/print-tensor.ts";
import type { DrawnNode, DrawnValue, Drawing, PartKind } from "./data.ts";
import type { Quiet } from "./quiet.ts";
import type { Roles } from "./roles.ts";

/** What a drawing is made of: a node, or several that are a part of their own. */
export interface Item {
  /** In the graph's order; one where it is a node. */
  readonly nodes: readonly Node[];
  /** The part that it is; null of a node. */
  readonly part: { readonly index: number; readonly name: string; readonly kind: PartKind } | null;
  /** The parts that it opens: itself, the function that it calls, the graphs that it holds. */
  readonly opens: readonly number[];
}

/** A drawing with the names that one part has in it. */
export interface Drawn {
  readonly drawing: number;
  readonly nodes: readonly string[];
  readonly values: readonly string[];
  readonly opens: readonly number[];
}

/** Reasons not to run on a provider, by provider. */
export type Off = Readonly<Partial<Record<string, string>>>;

/** What a call gives for the formal inputs of a function. */
export type Actuals = ReadonlyMap<Value, Value | null>;

/** What is known of the nodes and values that are drawn. */
export interface Known {
  readonly quiet: Quiet;
  readonly off: ReadonlyMap<Node, Off>;
  readonly roles: Roles;
  /** Weights of adapters that are inputs of the graph. */
  readonly fed: ReadonlySet<Value>;
}

/** Elements up to which a constant is shown by its values. */
const SHOWN = 8;
/** Characters of attributes that are shown. */
const LONGEST = 160;

/** Makes drawings, equal ones once. */
export class Drawer {
  readonly drawings: Drawing[] = [];
  readonly #indices = new Map<string, number>();
  readonly #known: Known;
  readonly #opsOf: (part: number) => Readonly<Record<string, number>>;
  readonly #drawingOf: (part: number) => number;

  /** @param drawingOf gives the drawing of a part that was made before, or -1 of one that is being made */
  constructor(known: Known, drawingOf: (part: number) => number) {
    this.#known = known;
    this.#drawingOf = drawingOf;
    this.#opsOf = (part) => this.drawings[drawingOf(part)]?.ops ?? {};
  }

  draw(items: readonly Item[], actuals: Actuals = new Map()): Drawn {
    const sheet = new Sheet(items, actuals, this.#known);
    const opens: number[] = [];
    const nodes: DrawnNode[] = [];
    const names: string[] = [];
    for (const item of items) {
      const [node] = item.nodes;
      if (node === undefined || (item.part === null && node.op === "Constant")) continue;
      const slots = item.opens.map((part) => opens.push(part) - 1);
      names.push(item.part?.name ?? nameOf(node));
      nodes.push({
        ...(item.part === null
          ? this.#node(node, sheet)
          : { op: "", ...sheet.cut(item), kind: item.part.kind }),
        ...(slots.length === 0 ? {} : { slots, of: item.opens.map(this.#drawingOf) }),
      });
    }
    const drawing = { nodes, values: sheet.values, ops: this.#count(items) };
    return { drawing: this.#share(drawing), nodes: names, values: sheet.names, opens };
  }

  #node(node: Node, sheet: Sheet): DrawnNode {
    const { quiet, off: allOff, roles } = this.#known;
    const [off, own] = [allOff.get(node), roles.get(node)];
    const attributes = attributesOf(node);
    return {
      op: node.op,
      in: node.inputs.map((value) => (value === null ? -1 : sheet.indexOf(value))),
      out: node.outputs.map((value) => sheet.indexOf(value)),
      ...(attributes === "" ? {} : { attributes }),
      ...(own === undefined ? {} : { roles: own }),
      ...(quiet.has(node) ? { quiet: true } : {}),
      ...(off === undefined ? {} : { off }),
    };
  }

  /** Ops with what is called and held written out. */
  #count(items: readonly Item[]): Record<string, number> {
    const ops: Record<string, number> = {};
    const add = (op: string, count: number): void => {
      ops[op] = (ops[op] ?? 0) + count;
    };
    for (const { nodes, part, opens } of items) {
      const [node] = nodes;
      const isCall = opens.length > 0 && node?.subgraphs.length === 0;
      if (part === null && node !== undefined && !isCall) add(node.op, 1);
      for (const one of opens) for (const [op, count] of Object.entries(this.#opsOf(one))) add(op, count);
    }
    return ops;
  }

  #share(drawing: Drawing): number {
    const key = JSON.stringify(drawing);
    const index = this.#indices.get(key) ?? this.drawings.push(drawing) - 1;
    this.#indices.set(key, index);
    return index;
  }
}

/** The values of one drawing, numbered as they are met. */
class Sheet {
  readonly values: DrawnValue[] = [];
  readonly names: string[] = [];
  readonly #indices = new Map<Value, number>();
  readonly #inside = new Set<Node>();
  readonly #actuals: Actuals;
  readonly #known: Known;

  constructor(items: readonly Item[], actuals: Actuals, known: Known) {
    [this.#actuals, this.#known] = [actuals, known];
    for (const { nodes } of items) for (const node of nodes) addDeep(node, this.#inside);
  }

  indexOf(value: Value): number {
    const known = this.#indices.get(value);
    if (known !== undefined) return known;
    const actual = this.#actuals.get(value) ?? value;
    this.#indices.set(value, this.values.length);
    this.names.push(actual.name ?? value.name ?? "");
    return this.values.push(this.#describe(value, actual)) - 1;
  }

  /** What flows into several nodes and out of them; weights are theirs. */
  cut({ nodes }: Item): { readonly in: readonly number[]; readonly out: readonly number[] } {
    const members = new Set<Node>();
    for (const node of nodes) addDeep(node, members);
    const [read, made] = [new Set<Value>(), new Set<Value>()];
    for (const node of nodes) {
      for (const value of readsOf(node)) {
        const isOwn = value.producer !== null && members.has(value.producer);
        if (!isOwn && !isWeight(value) && !this.#known.fed.has(value)) read.add(value);
      }
      for (const value of node.outputs) if (isReadOutside(value, members)) made.add(value);
    }
    return { in: [...read].map((v) => this.indexOf(v)), out: [...made].map((v) => this.indexOf(v)) };
  }

  #describe(value: Value, actual: Value): DrawnValue {
    const tensor = constantOf(actual) ?? actual.constant;
    const isMade = value.producer !== null && this.#inside.has(value.producer) && tensor === undefined;
    const type = tensor === undefined ? actual.type : tensorType(tensor.dtype, tensor.shape);
    const text = tensor !== undefined && tensor.size <= SHOWN ? contentOf(tensor) : "";
    const given = this.#known.fed.has(actual) ? "fed" : "input";
    const kind = tensor === undefined ? given : text === "" ? "weight" : "constant";
    const isSize = !isMade && actual.producer !== null && this.#known.quiet.has(actual.producer);
    return {
      ...(type === undefined ? {} : { type: typeText(type) }),
      ...(isMade ? {} : { kind }),
      ...(isSize && kind === "input" ? { quiet: true } : {}),
      ...(text === "" ? {} : { text }),
      ...(isMade && isReadOutside(value, this.#inside) ? { leaves: true } : {}),
    };
  }
}

/** The values of a small constant; nothing of one whose values are in another file. */
function contentOf(tensor: Parameters<typeof contentText>[0]): string {
  const text = contentText(tensor, { values: SHOWN, elide: true, portable: false });
  return text.startsWith("{") ? text : "";
}

function isWeight(value: Value): boolean {
  return value.constant !== undefined || constantOf(value) !== null;
}

function addDeep(node: Node, nodes: Set<Node>): void {
  nodes.add(node);
  for (const graph of node.subgraphs) for (const inner of nodesDeep(graph)) nodes.add(inner);
}

function isReadOutside({ uses }: Value, members: ReadonlySet<Node>): boolean {
  for (const use of uses) {
    if (use.kind === "input" ? !members.has(use.node) : !isHeld(use.graph.owner, members)) return true;
  }
  return false;
}

function isHeld(owner: object | null, members: ReadonlySet<object>): boolean {
  return owner !== null && members.has(owner);
}

/** A node's name, or that of its first result: what `tfc dump` prints of it. */
export function nameOf(node: Node): string {
  return node.name === undefined || node.name === "" ? (node.output(0)?.name ?? "") : node.name;
}

function attributesOf(node: Node): string {
  const options = { values: SHOWN, elide: true, portable: false };
  const texts = [...node.attributes].flatMap(([name, attr]) =>
    attr.kind === "graph" || attr.kind === "graphs" ? [] : [attributeText(name, attr, options, () => "")],
  );
  const text = texts.join(", ");
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
