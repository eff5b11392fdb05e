import { createHash } from "node:crypto";
import { graphsOf } from "../ir/attribute.ts";
import { isFloat } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Tensor } from "../ir/tensor.ts";
import { typeText } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { nameText, opText, quoted } from "../text/identifiers.ts";
import { attributeText } from "../text/print-attribute.ts";
import { contentText, LEFT_OUT, tensorTypeText } from "../text/print-tensor.ts";
import { printing } from "../text/printing.ts";
import { ordered } from "./order.ts";

/** How a graph is written so that equal structures give equal texts. */
export interface CanonicalOptions {
  /** Writes a hash of each weight; else weights are a type and a shape. Default false. */
  readonly weights?: boolean;
  /** Says behind a node what it belongs to. It is no part of the structure. */
  readonly comment?: (node: Node) => string;
}

/** Constants of at most so many elements are written out: scales, axes, shapes. */
const FEW = { float: 16, other: 64 };

/**
 * Writes a model in ONNX's textual syntax such that two texts are equal where structure, attributes, element types,
 * shapes and small constants are: values are numbered in the order in which the outputs need them, nodes have no names,
 * and what exporters say of themselves is left out. Inputs and outputs of the graph keep their names, by which it is run.
 */
export function canonicalText(model: Model, options: CanonicalOptions = {}): string {
  const functions: Func[] = [];
  const main = new Writer(model, functions, options).graph(model.graph, "graph", true);
  const bodies: string[] = [];
  // A function may call others, which are then seen.
  for (const func of functions) bodies.push(functionText(model, func, functions, options));
  const header = `<ir_version: ${model.irVersion}, opset_import: ${opsets(model.opsets)}>`;
  return `${[header, main].join("\n")}\n${bodies.map((body) => `\n${body}\n`).join("")}`;
}

function functionText(model: Model, func: Func, functions: Func[], options: CanonicalOptions): string {
  const overload = func.overload === "" ? "" : `, overload: ${quoted(func.overload)}`;
  const header = `<domain: ${quoted(func.domain)}${overload}, opset_import: ${opsets(func.opsets)}>`;
  const writer = new Writer(model, functions, options);
  const defaults = [...func.defaults].map(([name, attribute]) => writer.attribute(name, attribute)).sort();
  const parameters = [...[...func.parameters].sort().map((name) => nameText(name)), ...defaults];
  const list = parameters.length === 0 ? "" : ` <${parameters.join(", ")}>`;
  return `${header}\n${writer.graph(func.body, `${nameText(func.name)}${list}`, false)}`;
}

function opsets(versions: ReadonlyMap<string, number>): string {
  const sorted = [...versions].map(
    ([domain, version]) => [domain === "ai.onnx" ? "" : domain, version] as const,
  );
  sorted.sort(([a], [b]) => (a < b ? -1 : 1));
  return `[${sorted.map(([domain, version]) => `${quoted(domain)} : ${version}`).join(", ")}]`;
}

/** Writes a graph, and the graphs inside it, with names of its own. */
class Writer {
  readonly #model: Model;
  readonly #functions: Func[];
  readonly #options: CanonicalOptions;
  readonly #names = new Map<Value, string>();
  readonly #taken = new Set<string>();
  readonly #weights: Value[] = [];
  #values = 0;

  constructor(model: Model, functions: Func[], options: CanonicalOptions) {
    this.#model = model;
    this.#functions = functions;
    this.#options = options;
  }

  /** @param keepsNames whether inputs and outputs are called as they are */
  graph(graph: Graph, head: string, keepsNames: boolean): string {
    if (keepsNames)
      for (const value of [...graph.inputs, ...graph.outputs]) {
        this.#names.set(value, value.name ?? "");
        this.#taken.add(value.name ?? "");
      }
    return this.#text(graph, head, "");
  }

  attribute(name: string, attribute: Parameters<typeof attributeText>[1], indent = ""): string {
    return attributeText(name, attribute, printing({}), (graph) => this.#text(graph, "inner", indent));
  }

  #text(graph: Graph, head: string, indent: string): string {
    const before = this.#weights.length;
    const inputs = graph.inputs.map((value) => this.#typed(value));
    const lines = ordered(graph).map((node) => this.#node(node, `${indent}  `));
    const outputs = graph.outputs.map((value) => this.#typed(value));
    for (const value of graph.initializers) this.#nameOf(value);
    const own = this.#weights.slice(before).filter((value) => graph.initializers.has(value));
    const defaults = graph.inputs.filter((value) => value.constant !== undefined);
    const weights = [...new Set([...defaults, ...own])].map((value) => this.#weight(value));
    const list = (entries: readonly string[], brackets: string): string =>
      entries.length === 0
        ? brackets
        : `${brackets[0] ?? ""}\n${entries.map((one) => `${indent}  ${one}`).join(",\n")}\n${indent}${brackets[1] ?? ""}`;
    return [
      `${head} ${list(inputs, "()")} => ${list(outputs, "()")}`,
      ...(weights.length === 0 ? [] : [indent + list(weights, "<>")]),
      `${indent}{`,
      ...lines,
      `${indent}}`,
    ].join("\n");
  }

  #typed(value: Value): string {
    const type = value.type === undefined || value.type.kind === "none" ? "" : `${typeText(value.type)} `;
    return `${type}${nameText(this.#nameOf(value))}`;
  }

  #nameOf(value: Value): string {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const isWeight = value.constant !== undefined && value.producer === null && !value.isInput;
    if (isWeight) this.#weights.push(value);
    let name = isWeight ? `w${this.#weights.length}` : `v${++this.#values}`;
    // An input of the graph may be called so.
    while (this.#taken.has(name)) name = `_${name}`;
    this.#taken.add(name);
    this.#names.set(value, name);
    return name;
  }

  #node(node: Node, indent: string): string {
    const callee = this.#model.callee(node);
    if (callee !== undefined && !this.#functions.includes(callee)) this.#functions.push(callee);
    const inputs = node.inputs.map((value) => (value === null ? '""' : nameText(this.#nameOf(value))));
    const attributes = [...node.attributes].sort(([a], [b]) => (a < b ? -1 : 1));
    const texts = attributes.map(([name, attribute]) => this.attribute(name, attribute, `${indent}  `));
    // Outputs that nobody reads are left out, except in front of one that is read.
    const used = node.outputs.map((value) => value.uses.size > 0);
    const outputs = node.outputs
      .slice(0, Math.max(used.lastIndexOf(true) + 1, 1))
      .map((value) => nameText(this.#nameOf(value)));
    const hasGraphs = attributes.some(([, attribute]) => graphsOf(attribute).length > 0);
    const list = texts.length === 0 ? "" : ` <${texts.join(hasGraphs ? `,\n${indent}  ` : ", ")}>`;
    const op = opText(node.domain === "ai.onnx" ? "" : node.domain, node.opType, node.overload);
    const comment = this.#options.comment?.(node) ?? "";
    const text = `${indent}${outputs.join(", ")} = ${op}${list} (${inputs.join(", ")})`;
    return comment === "" ? text : `${text}  # ${comment}`;
  }

  #weight(value: Value): string {
    const tensor = value.constant;
    if (tensor === undefined) return nameText(this.#nameOf(value));
    const content = weightText(tensor, this.#options.weights === true);
    return `${tensorTypeText(tensor)} ${nameText(this.#nameOf(value))} = ${content}`;
  }
}

function weightText(tensor: Tensor, isHashed: boolean): string {
  const isFew = tensor.size <= (isFloat(tensor.dtype) ? FEW.float : FEW.other);
  const how = { ...printing({}), elide: true };
  if (tensor.storage.kind === "strings") return contentText(tensor, how);
  // Bytes that are not there, or were left out of a text, are those of any weight.
  const isThere = tensor.storage.kind !== "external" || tensor.storage.range !== null;
  if (isFew && isThere) return contentText(tensor.stored({ kind: "memory", bytes: tensor.bytes() }), how);
  if (isHashed && isThere) return `["location": ${quoted(`sha256:${hashOf(tensor)}`)}]`;
  const isText = tensor.storage.kind === "external" && tensor.storage.location.startsWith("sha256:");
  if (isText) return contentText(tensor, how);
  return contentText(tensor.stored({ kind: "external", location: LEFT_OUT, range: null }), how);
}

function hashOf(tensor: Tensor): string {
  const hash = createHash("sha256");
  const pieces = tensor.pieces();
  for (const piece of pieces instanceof Uint8Array ? [pieces] : pieces) hash.update(piece);
  return hash.digest("hex").slice(0, 16);
}
