import { createHash } from "node:crypto";
import type { Attribute } from "../../compiler/ir/attribute.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Tensor } from "../../compiler/ir/tensor.ts";
import { typeText } from "../../compiler/ir/type.ts";
import type { Use, Value } from "../../compiler/ir/value.ts";
import { capturesOf, holderOf, readsOf } from "../../compiler/ir/walk.ts";
import { constantOf } from "../../compiler/ops/constant.ts";
import type { Region } from "../../compiler/recognize/region.ts";

/** Constants up to this many elements may be written into a function's body. */
const SMALL = 64;

/** Contents up to this many bytes are compared as they are, longer ones by their digests. */
const SHORT = 64;

/**
 * A region reduced to its structure. Two regions with the same `key` compute the same function of their inputs and
 * constants, so one body serves both.
 */
export interface Structure {
  readonly key: string;
  readonly region: Region;
  /** The nodes of the body: the region's without its Constant nodes. */
  readonly nodes: readonly Node[];
  /** Values from outside, the block's input first, then in the order they are read. */
  readonly inputs: readonly Value[];
  /** Small constants, in the order they are read. Where equal in all regions of a key they go into the body. */
  readonly constants: readonly { readonly value: Value; readonly tensor: Tensor }[];
  /** Which values are read outside, as `[node, output]` in `nodes`; the block's output first. */
  readonly outputs: readonly (readonly [number, number])[];
}

/** Reduces a region to its structure. */
export function structureOf(region: Region): Structure {
  return new Reduction(region).result();
}

/** A text that is written in steps: what it gives is to be written before it goes on. */
type Steps = Generator<Steps, void, void>;

class Reduction {
  readonly #region: Region;
  readonly #nodes: readonly Node[];
  readonly #inside = new Map<Value, string>();
  readonly #inputs = new Map<Value, number>();
  readonly #constants = new Map<Value, { index: number; tensor: Tensor }>();
  /** The structure as it is written, piece by piece. */
  readonly #text: string[] = [];
  #graphs = 0;

  constructor(region: Region) {
    this.#region = region;
    this.#nodes = bodyNodes(region);
    this.#inputs.set(region.input, 0);
    this.#nodes.forEach((node, n) => {
      node.outputs.forEach((value, o) => this.#inside.set(value, `${n}.${o}`));
    });
  }

  result(): Structure {
    this.#run(this.#body());
    const outputs = this.#outputs();
    return {
      key: this.#text.join(""),
      region: this.#region,
      nodes: this.#nodes,
      inputs: [...this.#inputs.keys()],
      constants: [...this.#constants].map(([value, { tensor }]) => ({ value, tensor })),
      outputs,
    };
  }

  /** Writes what is written in steps. An explicit stack: graphs may be nested deeper than the call stack is. */
  #run(steps: Steps): void {
    const stack = [steps];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { done, value } = top.next();
      if (done === true) stack.pop();
      else stack.push(value);
    }
  }

  *#body(): Steps {
    for (const [n, node] of this.#nodes.entries()) {
      if (n > 0) this.#text.push("\n");
      if (node.subgraphs.length === 0) this.#plainNode(node);
      else yield this.#node(node);
    }
  }

  *#node(node: Node): Steps {
    this.#head(node);
    for (const [i, [name, attr]] of attributesOf(node).entries()) {
      this.#text.push(`${i === 0 ? "" : ";"}${name}=`);
      if (attr.kind === "graph") yield this.#graph(attr.value);
      else if (attr.kind === "graphs") yield this.#graphList(attr.value);
      else this.#text.push(attributeText(attr));
    }
    this.#text.push(`>${node.outputs.length}`);
  }

  /** A node without graphs, which all but a few are: nothing of it is written in steps. */
  #plainNode(node: Node): void {
    this.#head(node);
    for (const [i, [name, attr]] of attributesOf(node).entries())
      if (attr.kind !== "graph" && attr.kind !== "graphs")
        this.#text.push(`${i === 0 ? "" : ";"}${name}=${attributeText(attr)}`);
    this.#text.push(`>${node.outputs.length}`);
  }

  #head(node: Node): void {
    const inputs = node.inputs.map((value) => (value === null ? "-" : this.#reference(value)));
    this.#text.push(`${node.op}:${node.overload}(${inputs.join(",")})<`);
  }

  #reference(value: Value): string {
    const inner = this.#inside.get(value);
    if (inner !== undefined) return inner;
    const tensor = constantOf(value);
    if (tensor !== null && isSmall(tensor)) {
      const known = this.#constants.get(value) ?? { index: this.#constants.size, tensor };
      this.#constants.set(value, known);
      return `c${known.index}:${tensor.dtype}[${tensor.shape.join(",")}]`;
    }
    const index = this.#inputs.get(value) ?? this.#inputs.size;
    this.#inputs.set(value, index);
    return `i${index}`;
  }

  *#graphList(graphs: readonly Graph[]): Steps {
    for (const [i, graph] of graphs.entries()) {
      if (i > 0) this.#text.push("|");
      yield this.#graph(graph);
    }
  }

  /** An inner graph with its values numbered; what it captures is referred to as outside. */
  *#graph(graph: Graph): Steps {
    // A graph inside a graph reads both: whose node 0 is meant must show.
    const scope = `g${this.#graphs++}`;
    // What a graph further inside captures from out here was referred to with this one's captures.
    if (holderOf(graph)?.graph === this.#nodes[0]?.graph)
      for (const value of capturesOf(graph)) this.#reference(value);
    [...graph.inputs, ...graph.initializers].forEach((value, i) => {
      this.#inside.set(
        value,
        `${scope}i${i}:${typeText(value.type)}:${value.constant === undefined ? "" : tensorText(value.constant)}`,
      );
    });
    this.#text.push("{");
    let n = 0;
    for (const node of graph.nodes) {
      if (n > 0) this.#text.push(";");
      if (node.subgraphs.length === 0) this.#plainNode(node);
      else yield this.#node(node);
      node.outputs.forEach((value, o) => this.#inside.set(value, `${scope}n${n}.${o}`));
      n++;
    }
    this.#text.push(`=>${graph.outputs.map((v) => this.#reference(v)).join(",")}}`);
  }

  #outputs(): Structure["outputs"] {
    const members = new Set(this.#region.nodes);
    const found: (readonly [number, number])[] = [];
    this.#nodes.forEach((node, n) => {
      node.outputs.forEach((value, o) => {
        if (value === this.#region.output) found.unshift([n, o]);
        else if (isReadOutside(value, members)) found.push([n, o]);
      });
    });
    return found;
  }
}

/**
 * The nodes of a region that lead to a value read outside, without its Constants. A region may also hold what makes
 * its input (a Cast that only it reads): the call reads that value, so its maker stays outside.
 */
function bodyNodes(region: Region): readonly Node[] {
  const members = new Set(region.nodes);
  const needed = new Set<Node>();
  const made = region.nodes.flatMap((node) => node.outputs);
  const pending = made.filter((value) => value === region.output || isReadOutside(value, members));
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at.producer;
    if (node === null || at === region.input || !members.has(node) || needed.has(node)) continue;
    needed.add(node);
    pending.push(...readsOf(node));
  }
  return region.nodes.filter((node) => needed.has(node) && node.op !== "Constant");
}

function isReadOutside(value: Value, members: ReadonlySet<Node>): boolean {
  for (const use of value.uses) if (isOutside(use, members)) return true;
  return false;
}

/** In the order of their names. */
function attributesOf({ attributes }: Node): readonly (readonly [string, Attribute])[] {
  return attributes.size < 2 ? [...attributes] : [...attributes].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether a use lies outside of some nodes and of the graphs they hold. */
export function isOutside(use: Use, members: ReadonlySet<Node>): boolean {
  let at = use.kind === "input" ? use.node : holderOf(use.graph);
  for (; at !== null; at = holderOf(at.graph)) if (members.has(at)) return false;
  return true;
}

/** An attribute's kind and content; graphs are written apart. */
export function attributeText(attr: Exclude<Attribute, { readonly kind: "graph" | "graphs" }>): string {
  switch (attr.kind) {
    case "tensor":
      return tensorText(attr.value);
    case "tensors":
      return attr.value.map((t) => tensorText(t)).join("|");
    case "string":
      return `s:${Buffer.from(attr.value).toString("hex")}`;
    case "strings":
      return attr.value.map((s) => Buffer.from(s).toString("hex")).join("|");
    case "type":
    case "types":
      return JSON.stringify(attr.value, (key, v: unknown) => (key === "source" ? undefined : v));
    case "ref":
      return `@${attr.parameter}`;
    case "unknown":
      return unique();
    case "int":
    case "float":
      return `${attr.kind}:${attr.value}`;
    case "ints":
    case "floats":
      return `${attr.kind}:${attr.value.join(",")}`;
  }
}

/** Shapes, axes and scalars; a vector of floats is a weight, however short. */
export function isSmall(tensor: Tensor): boolean {
  const { storage } = tensor;
  // What is made when the output is written is a weight, and not to be made for a look at it.
  if (storage.kind === "strings" || storage.kind === "deferred") return false;
  if (storage.kind === "external" && storage.range === null) return false;
  return tensor.size <= (tensor.dtype.startsWith("float") || tensor.dtype === "double" ? 1 : SMALL);
}

/** A tensor's type and content; two tensors with equal text are interchangeable. */
export function tensorText(tensor: Tensor): string {
  const head = `${tensor.dtype}[${tensor.shape.join(",")}]`;
  const { storage } = tensor;
  if (storage.kind === "strings")
    return `${head}${storage.strings.map((s) => Buffer.from(s).toString("hex")).join("|")}`;
  if (storage.kind === "external" && storage.range === null) return `${head}${unique()}`;
  const bytes = tensor.bytes();
  return `${head}${bytes.length <= SHORT ? hexOf(bytes) : createHash("sha256").update(bytes).digest("hex")}`;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

let counter = 0;

/** Text that equals no other: for content that cannot be compared. */
function unique(): string {
  return `#${counter++}`;
}
