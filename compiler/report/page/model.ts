import type { DrawnNode, DrawnValue, Drawing, Part, PartKind, ReportData } from "../data.ts";
import { namesOf, type NameLists } from "./names.ts";

/** A node of a part, with its name. */
export interface PartNode extends DrawnNode {
  readonly index: number;
  readonly name: string;
}

/** A value of a part, with its name, and the nodes that make and read it. */
export interface PartValue extends DrawnValue {
  readonly index: number;
  readonly name: string;
  readonly maker: number | null;
  readonly readers: readonly number[];
}

/** A part as it is drawn: a drawing with names. */
export interface Sheet {
  readonly part: Part;
  readonly index: number;
  readonly nodes: readonly PartNode[];
  readonly values: readonly PartValue[];
}

const empty: Drawing = { nodes: [], values: [], ops: {} };

/** What the page asks of the data. */
export class Model {
  readonly data: ReportData;
  readonly #names = new Map<number, NameLists>();

  constructor(data: ReportData) {
    this.data = data;
  }

  part(index: number): Part | undefined {
    return this.data.parts[index];
  }

  names(index: number): NameLists {
    const known = this.#names.get(index) ?? namesOf(this.data, index);
    this.#names.set(index, known);
    return known;
  }

  sheet(index: number): Sheet | null {
    const part = this.part(index);
    if (part === undefined) return null;
    const drawing = this.data.drawings[part.drawing] ?? empty;
    const names = this.names(index);
    const makers = new Map<number, number>();
    const readers = new Map<number, number[]>();
    drawing.nodes.forEach((node, i) => {
      for (const value of node.out) makers.set(value, i);
      for (const value of new Set(node.in)) readers.set(value, [...(readers.get(value) ?? []), i]);
    });
    return {
      part,
      index,
      nodes: drawing.nodes.map((node, i) => ({ ...node, index: i, name: names.nodes[i] ?? "" })),
      values: drawing.values.map((value, i) => ({
        ...value,
        index: i,
        name: names.values[i] ?? "",
        maker: makers.get(i) ?? null,
        readers: readers.get(i) ?? [],
      })),
    };
  }

  /** The part that a node opens through one of its slots, or null. */
  opened({ part }: Sheet, node: DrawnNode, slot = 0): number | null {
    const at = node.slots?.[slot];
    return at === undefined ? null : (part.opens[at] ?? null);
  }

  /** The parts that a part stands in, outermost first, itself last. */
  path(index: number): readonly number[] {
    const path: number[] = [];
    for (let at: number | null = index; at !== null && path.length < 100; at = this.part(at)?.within ?? null)
      path.unshift(at);
    return path;
  }
}

/** What a node is called on the page: its op, or what is short of a module's name. */
export function titleOf(node: PartNode): string {
  return node.op === "" ? shortName(node.name) : node.op.replace("tfc::", "tfc.");
}

/** What a module is called in a table or the picture: where it mixes experts, by that. */
export function labelOfModule(kind: PartKind | "rest", label: string): string {
  return kind === "experts" ? label.replace(/^(?:mlp|moe)(?=_\d+$|$)/, "experts") : label;
}

/** `layers.0` of a layer, else the last word. */
export function shortName(name: string): string {
  return /layers\.\d+$/.exec(name)?.[0] ?? lastName(name);
}

/** `self_attn` of `model.layers.0.self_attn` */
export function lastName(name: string): string {
  return name.replace(/^.*\.(?=[^.]*$)/, "");
}
