import { graphsOf, type Attribute } from "../ir/attribute.ts";
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/node.ts";
import { typeText } from "../ir/type.ts";
import type { Value } from "../ir/value.ts";
import { nameValues } from "../onnx/names.ts";
import { fromText, metaText } from "./comments.ts";
import { nameText, opText, quoted } from "./identifiers.ts";
import { attributeText } from "./print-attribute.ts";
import { contentText, tensorTypeText } from "./print-tensor.ts";
import { LINE, shownMeta, type Printing } from "./printing.ts";

/** An entry of a list that may take several lines, with the comment that its line ends with. */
interface Entry {
  readonly text: string;
  readonly comment: string;
}

/** Prints a graph and the graphs inside it, under the names that they are emitted with. */
export class GraphPrinter {
  readonly #graph: Graph | null;
  readonly #how: Printing;
  readonly #names: ReadonlyMap<Value, string>;
  /** Values that nothing defines and that have no name; broken graphs can be looked at, too. */
  readonly #unnamed = new Map<Value, string>();

  /** @param graph - the outermost graph, or null to print single nodes */
  constructor(graph: Graph | null, how: Printing) {
    this.#graph = graph;
    this.#how = how;
    this.#names = graph === null ? new Map<Value, string>() : nameValues(graph);
  }

  /** The graph; `head` is what stands before its inputs, its name unless given. */
  text(head?: string): string {
    return this.#graph === null ? "" : this.#text(this.#graph, head ?? nameText(this.#graph.name), "");
  }

  /** One node, its inner graphs as `name {…}`. */
  line(node: Node): string {
    return this.#node(node, "", new Set(), (graph) => `${nameText(graph.name)} {…}`);
  }

  /** One attribute, such as a function's default. */
  attribute(name: string, attr: Attribute): string {
    return attributeText(name, attr, this.#how, (graph) => this.#text(graph, nameText(graph.name), ""));
  }

  #text(graph: Graph, head: string, indent: string): string {
    const inputs = graph.inputs.map((value) => this.#declaration(value));
    const outputs = graph.outputs.map((value) => this.#declaration(value));
    const broken = indent.length + head.length + lengthOf(inputs) + lengthOf(outputs) + 8 > LINE;
    const lists = `${head} ${listText(inputs, "()", indent, broken)} => ${listText(outputs, "()", indent, broken)}`;
    const lines = [lists, ...this.#initializers(graph, indent)];
    const open = `{${this.#meta(graph.meta)}`;
    // An inner graph opens on the line of its name, so that its nodes stand out.
    if (indent !== "" && lines.length === 1) lines[0] = `${lists} ${open}`;
    else lines.push(indent + open);
    const shown = new Set(graph.outputs);
    for (const node of graph.nodes) {
      const inner = `${indent}  `;
      lines.push(this.#node(node, inner, shown, (g) => this.#text(g, nameText(g.name), `${inner}  `)));
    }
    lines.push(`${indent}}`);
    return lines.join("\n");
  }

  #declaration(value: Value): Entry {
    const typed = value.type !== undefined && value.type.kind !== "none";
    return {
      text: `${typed ? `${typeText(value.type)} ` : ""}${nameText(this.#name(value))}`,
      comment: this.#meta(value.meta),
    };
  }

  #initializers(graph: Graph, indent: string): string[] {
    const inputs = new Set(graph.inputs);
    const entries = [...graph.initializers].flatMap((value): Entry[] => {
      const tensor = value.constant;
      if (tensor === undefined) return [];
      const text = `${tensorTypeText(tensor)} ${nameText(this.#name(value))} = ${contentText(tensor, this.#how)}`;
      // Metadata of an input with a default stands with the input.
      return [{ text, comment: inputs.has(value) ? "" : this.#meta(value.meta) }];
    });
    return entries.length === 0 ? [] : [indent + listText(entries, "<>", indent, entries.length > 1)];
  }

  #node(node: Node, indent: string, shown: ReadonlySet<Value>, graph: (graph: Graph) => string): string {
    const label = this.#showsName(node) ? `[${quoted(node.name ?? "")}] ` : "";
    const outputs = node.outputs.map((value) => nameText(this.#output(value))).join(", ");
    const op = opText(node.domain, node.opType, node.overload);
    const inputs = node.inputs
      .map((value) => (value === null ? '""' : nameText(this.#name(value))))
      .join(", ");
    const head = `${indent}${label}${outputs === "" ? "" : `${outputs} `}= ${op}`;
    const attributes = [...node.attributes].sort(([a], [b]) => (a < b ? -1 : 1));
    const texts = attributes.map(([name, attr]) => attributeText(name, attr, this.#how, graph));
    return (
      head +
      this.#operands(
        inputs,
        texts,
        attributes.some(([, a]) => graphsOf(a).length > 0),
        indent,
      ) +
      this.#comment(node, shown)
    );
  }

  #showsName(node: Node): boolean {
    const name = node.name ?? "";
    return name !== "" && !(this.#how.elide && saysNothing(name, node));
  }

  /** Attributes stand before the inputs, but behind them, on lines of their own, where one holds a graph. */
  #operands(inputs: string, attributes: readonly string[], hasGraphs: boolean, indent: string): string {
    if (attributes.length === 0) return ` (${inputs})`;
    if (!hasGraphs || this.#graph === null) return ` <${attributes.join(", ")}> (${inputs})`;
    return ` (${inputs}) <\n${attributes.map((text) => `${indent}  ${text}`).join(",\n")}\n${indent}>`;
  }

  #comment(node: Node, shown: ReadonlySet<Value>): string {
    // The types of graph outputs stand in the graph's head. A comment ends with its line, so a type with a
    // dimension whose name has a line break stays out.
    const types = node.outputs.map((value) => {
      const text = shown.has(value) ? "?" : typeText(value.type);
      return text.includes("\n") ? "?" : text;
    });
    while (types.at(-1) === "?") types.pop();
    const from = this.#how.locations ? fromText(node.loc) : "";
    const text = [types.join(", "), from].filter((part) => part !== "").join(" ");
    const meta =
      this.#meta(node.meta) +
      node.outputs.map((value, i) => this.#meta(value.meta, shown.has(value) ? null : i)).join("");
    return (text === "" ? "" : ` # ${text}`) + meta;
  }

  /** Metadata as comment; none for an output whose metadata stands elsewhere (null). */
  #meta(meta: ReadonlyMap<string, string>, output?: number | null): string {
    return meta.size === 0 || output === null ? "" : metaText(shownMeta(meta, this.#how), output);
  }

  #output(value: Value): string {
    return value.uses.size === 0 ? (this.#names.get(value) ?? value.name ?? "") : this.#name(value);
  }

  #name(value: Value): string {
    const name = this.#names.get(value) ?? value.name;
    if (name !== undefined && name !== "") return name;
    const made = this.#unnamed.get(value) ?? `?${this.#unnamed.size}`;
    this.#unnamed.set(value, made);
    return made;
  }
}

/** Whether a node's name repeats its output's (`/mm` of `/mm_output_0`, `node_y` of `y`) or only counts: `Add_12`. */
function saysNothing(name: string, node: Node): boolean {
  const output = node.outputs[0]?.name ?? "";
  const counted = name.replace(/^node_/, "").replace(/_\d+$/, "");
  return (
    [output, `node_${output}`].includes(name) ||
    [`${name}_output_0`, `${name}:0`].includes(output) ||
    counted === node.opType
  );
}

function lengthOf(entries: readonly Entry[]): number {
  // A comment ends its line, so a list with one is always broken.
  return entries.reduce((n, { text, comment }) => n + text.length + 2 + (comment === "" ? 0 : LINE), 0);
}

function listText(entries: readonly Entry[], brackets: "()" | "<>", indent: string, broken: boolean): string {
  const [open, close] = [brackets.charAt(0), brackets.charAt(1)];
  const isBroken = entries.length > 0 && (broken || entries.some(({ comment }) => comment !== ""));
  if (!isBroken) return open + entries.map(({ text }) => text).join(", ") + close;
  const lines = entries.map(
    ({ text, comment }, i) => `${indent}  ${text}${i < entries.length - 1 ? "," : ""}${comment}`,
  );
  return `${open}\n${lines.join("\n")}\n${indent}${close}`;
}
