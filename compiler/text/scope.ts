import { inputError } from "../diagnostics/error.ts";
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/node.ts";
import type { Rewriter } from "../ir/rewriter.ts";
import type { ValueType } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import type { LineMeta } from "./comments.ts";

/** What a graph's head says of a value that is defined elsewhere: an output, or an entry of `value_info`. */
export interface Declared {
  readonly name: string;
  readonly type: ValueType | undefined;
  readonly meta: LineMeta;
}

/**
 * The names of one graph while it is read. A name may be read before it is defined, in this graph or the one
 * around, so uses are noted and connected when the outermost graph has ended.
 */
export class Scope {
  readonly graph: Graph;
  readonly #outer: Scope | null;
  readonly #values = new Map<string, Value>();
  readonly #inputs: { readonly node: Node; readonly names: readonly string[] }[] = [];
  readonly #inner: Scope[] = [];
  readonly outputs: Declared[] = [];
  readonly infos: Declared[] = [];

  constructor(graph: Graph, outer: Scope | null) {
    this.graph = graph;
    this.#outer = outer;
    if (outer !== null) outer.#inner.push(this);
  }

  /** The value of this name defined in this very graph. */
  local(name: string): Value | undefined {
    return this.#values.get(name);
  }

  /** Names a value. Of two definitions the first counts; finding the second wrong is a verifier's work. */
  define(name: string, value: Value): void {
    if (!this.#values.has(name)) this.#values.set(name, value);
  }

  /** Notes what a node reads; an empty name is an input left out. */
  reads(node: Node, names: readonly string[]): void {
    this.#inputs.push({ node, names });
  }

  /** Connects all that was noted, here and in inner graphs. @throws TfcError NAME_DANGLING */
  connect(rw: Rewriter): void {
    for (const { node, names } of this.#inputs) {
      for (const [i, name] of names.entries()) {
        rw.setInput(node, i, name === "" ? null : this.#find(name, node.loc.path, node));
      }
    }
    for (const [i, output] of this.outputs.entries()) {
      const value = this.#find(output.name, `${this.graph.loc.path}.output[${i}]`);
      rw.setOutput(this.graph, i, value);
      // What an input, or a value from outside, says of itself counts; an initializer says its tensor's type alone.
      const isOwn = value.producer?.graph === this.graph || this.graph.initializers.has(value);
      if ((isOwn && !value.isInput) || value.type === undefined) describe(rw, value, output);
    }
    for (const info of this.infos) {
      const value = this.#values.get(info.name);
      if (value !== undefined && value.type === undefined) describe(rw, value, info);
    }
    for (const inner of this.#inner) inner.connect(rw);
  }

  #find(name: string, path: string, node?: Node): Value {
    const value = this.#get(name);
    if (value !== undefined) return value;
    const place = { file: this.graph.loc.file, path, name };
    throw inputError("NAME_DANGLING", node === undefined ? place : { ...place, op: node.op }, { name });
  }

  #get(name: string): Value | undefined {
    const value = this.#values.get(name);
    return value === undefined && this.#outer !== null ? this.#outer.#get(name) : value;
  }
}

/** Gives a value the type and metadata that were read. */
export function describe(rw: Rewriter, value: Value, declared: Pick<Declared, "type" | "meta">): void {
  if (declared.type !== undefined) rw.setType(value, declared.type);
  for (const [key, text] of declared.meta.get("own") ?? []) rw.setMeta(value, key, text);
}
