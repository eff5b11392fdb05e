import type { Model } from "./model.ts";

/** A place on the page: a part, and mostly a node or value in it. */
export interface Place {
  readonly part: number;
  /** Null for the part itself. */
  readonly node: number | null;
}

/** What a search finds. */
export interface Found extends Place {
  readonly name: string;
  /** Op of a node, `value`, or what kind of part it is. */
  readonly what: string;
  /** The name of the part it is in. */
  readonly where: string;
  /** The names of the projections that it is: `model.layers.0.self_attn.q_proj`. */
  readonly sites: readonly string[];
}

/** Results of a search that are shown. */
const MOST = 60;

/** Finds places by their names, the way `tfc dump` prints them. */
export class Finder {
  readonly #model: Model;
  #all: readonly Found[] | null = null;
  #first: Map<string, Place> | null = null;
  #counts = new Map<string, number>();

  constructor(model: Model) {
    this.#model = model;
  }

  /** The place of a name: of a part, a node or a value; `part/node` tells equal names of several modules apart. */
  find(name: string): Place | null {
    const direct = this.#names().get(name);
    if (direct !== undefined) return direct;
    for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
      const part = this.#model.data.parts.findIndex((one) => one.name === name.slice(0, at));
      const node = part < 0 ? -1 : this.#nodeIn(part, name.slice(at + 1));
      if (node >= 0) return { part, node };
    }
    return null;
  }

  /** The name that finds a place. */
  linkTo({ part, node }: Place): string {
    const own = this.#model.part(part)?.name ?? "";
    if (node === null) return own;
    const name = this.#model.names(part).nodes[node] ?? "";
    this.#names();
    return this.#counts.get(name) === 1 ? name : `${own}/${name}`;
  }

  /** What has all words of a text in its name, op or projections, shortest names first. */
  search(text: string): { readonly found: readonly Found[]; readonly total: number } {
    const words = text
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    if (words.length === 0) return { found: [], total: 0 };
    const hits = this.#everything().filter(({ name, what, sites }) => {
      const low = `${name} ${what} ${sites.join(" ")}`.toLowerCase();
      return words.every((word) => low.includes(word));
    });
    const rank = ({ node, name }: Found): number => (node === null ? 0 : 1000) + name.length;
    return { found: hits.toSorted((a, b) => rank(a) - rank(b)).slice(0, MOST), total: hits.length };
  }

  #nodeIn(part: number, name: string): number {
    const { nodes, values } = this.#model.names(part);
    const node = nodes.indexOf(name);
    return node >= 0 ? node : this.#nodeOf(part, values.indexOf(name));
  }

  /** The node that makes a value, or the first that reads it. */
  #nodeOf(part: number, value: number): number {
    const drawing = this.#model.data.drawings[this.#model.part(part)?.drawing ?? -1];
    if (drawing === undefined || value < 0) return -1;
    const maker = drawing.nodes.findIndex(({ out }) => out.includes(value));
    return maker >= 0 ? maker : drawing.nodes.findIndex((node) => node.in.includes(value));
  }

  #names(): ReadonlyMap<string, Place> {
    if (this.#first !== null) return this.#first;
    const first = new Map<string, Place>();
    for (const { name, part, node } of this.#everything()) {
      if (!first.has(name)) first.set(name, { part, node });
    }
    // A projection is found by its own name, too, where nothing else has it.
    for (const { sites, part, node } of this.#everything())
      for (const site of sites) if (!first.has(site)) first.set(site, { part, node });
    this.#first = first;
    return first;
  }

  /** Parts, then nodes, then values that have another name than the node that makes them. */
  #everything(): readonly Found[] {
    if (this.#all !== null) return this.#all;
    const { parts } = this.#model.data;
    const found: Found[] = parts.map(({ name, kind }, part) => ({
      ...{ name, part, node: null, what: kind },
      ...{ where: "", sites: [] },
    }));
    // A function stands behind its calls, whose names are those of the weights that are given.
    const order = parts.map((_, i) => i).toSorted((a, b) => rankOf(parts[a]?.kind) - rankOf(parts[b]?.kind));
    const values: Found[] = [];
    for (const part of order) {
      const drawing = this.#model.data.drawings[parts[part]?.drawing ?? -1];
      const names = this.#model.names(part);
      const where = parts[part]?.name ?? "";
      drawing?.nodes.forEach(({ op, kind, roles = [] }, node) => {
        const name = names.nodes[node] ?? "";
        const sites = roles.map((role) => `${where}.${role}`);
        if (kind === undefined) found.push({ name, part, node, what: op, where, sites });
        this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
      });
      const known = new Set(names.nodes);
      drawing?.values.forEach(({ kind }, value) => {
        const name = names.values[value] ?? "";
        if (known.has(name)) return;
        values.push({
          name,
          part,
          node: this.#nodeOf(part, value),
          what: kind === "fed" ? "fed at run time" : (kind ?? "value"),
          where,
          sites: [],
        });
      });
    }
    this.#all = [...found, ...values];
    return this.#all;
  }
}

function rankOf(kind: string | undefined): number {
  return kind === "function" ? 2 : kind === "layer" || kind === "graph" ? 1 : 0;
}
