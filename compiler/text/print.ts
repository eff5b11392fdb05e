import { integerText } from "../ir/type.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { metaText } from "./comments.ts";
import { nameText, quoted } from "./identifiers.ts";
import { GraphPrinter } from "./print-graph.ts";
import { LINE, printing, shownMeta, type Printing, type PrintOptions } from "./printing.ts";

export type { PrintOptions } from "./printing.ts";

/** The model as text. Costs time and memory in the number of nodes; weights that are on disk stay there. */
export function printModel(model: Model, options: PrintOptions = {}): string {
  const how = printing(options);
  const functions = [...model.functions.values()].map((func) => `\n${functionText(func, how)}`);
  const graph = new GraphPrinter(model.graph, how).text();
  return `${headerText(modelFields(model, how))}\n${graph}\n${functions.join("")}`;
}

/** One function as text. */
export function printFunction(func: Func, options: PrintOptions = {}): string {
  return functionText(func, printing(options));
}

/** One node as a line, for messages; of graphs it holds only the names are shown. */
export function printNode(node: Node, options: PrintOptions = {}): string {
  return new GraphPrinter(null, printing(options)).line(node);
}

function functionText(func: Func, how: Printing): string {
  const doc = how.elide ? "" : func.docString;
  const header = headerText([
    `domain: ${quoted(func.domain)}`,
    ...(func.overload === "" ? [] : [`overload: ${quoted(func.overload)}`]),
    `opset_import: ${opsetsText(func.opsets)}`,
    ...(doc === "" ? [] : [`doc_string: ${quoted(doc)}`]),
  ]);
  const printer = new GraphPrinter(func.body, how);
  const defaults = [...func.defaults].map(([name, attr]) => printer.attribute(name, attr));
  const attributes = [...func.parameters.map((name) => nameText(name)), ...defaults.sort()];
  const list = attributes.length === 0 ? "" : ` <${attributes.join(", ")}>`;
  return `${header}${metaText(shownMeta(func.meta, how))}\n${printer.text(nameText(func.name) + list)}\n`;
}

function headerText(fields: readonly string[]): string {
  const line = `<${fields.join(", ")}>`;
  return line.length <= LINE ? line : `<\n${fields.map((field) => `  ${field}`).join(",\n")}\n>`;
}

function modelFields(model: Model, how: Printing): string[] {
  const { header } = model;
  const text = (key: string, value = ""): string[] => (value === "" ? [] : [`${key}: ${quoted(value)}`]);
  const version = (header.modelVersion ?? 0n).toString();
  const meta = [...shownMeta(model.meta, how)].map(([key, value]) => `${quoted(key)}: ${quoted(value)}`);
  return [
    `ir_version: ${integerText(model.irVersion)}`,
    `opset_import: ${opsetsText(model.opsets)}`,
    ...text("producer_name", header.producerName),
    ...text("producer_version", header.producerVersion),
    ...text("domain", header.domain),
    ...(version === "0" ? [] : [`model_version: ${version}`]),
    ...(how.elide ? [] : text("doc_string", header.docString)),
    ...(meta.length === 0 ? [] : [`metadata_props: [${meta.join(", ")}]`]),
  ];
}

function opsetsText(opsets: ReadonlyMap<string, number>): string {
  return `[${[...opsets].map(([domain, version]) => `${quoted(domain)} : ${integerText(version)}`).join(", ")}]`;
}
