import { basename } from "node:path";
import type { SourceFile } from "ts-morph";
import { isSizable } from "./adapter-types.ts";
import type { Declaration } from "./declaration.ts";
import type { GraphDescription } from "./description.ts";
import { comment, LINE_END, list, quoted, written } from "./layout.ts";
import { adapterInputsText, MEMBER_TEXT } from "./adapter-text.ts";
import { RUN_TEXT } from "./run-text.ts";
import { inputTable, markOf, slotTable } from "./tables.ts";
import { declarationsOf } from "./types.ts";

/** The first line of what tfc writes, by which it knows its own files. */
export const WRITTEN_BY_TFC = "// Written by tfc. Do not edit: what is changed here is lost.";

/**
 * Writes a TypeScript module for exactly one graph: types of its inputs, outputs, layers and adapters, and a typed run.
 * It imports nothing. The same description gives the same text, formatted as prettier formats by default.
 *
 * @param graph as `describeGraph` gives it
 * @param file the graph's file, for comments
 */
export async function writeBindings(graph: GraphDescription, file: string): Promise<string> {
  const source = await emptySource();
  addDeclarations(source, declarationsOf(graph));
  source.addStatements(valuesOf(graph));
  const head = `${WRITTEN_BY_TFC}\n// The graph of ${comment(basename(file))}: its types, and a typed run for onnxruntime-node and onnxruntime-web.\n`;
  return `${head}\n${spaced(source)}`;
}

/**
 * Writes the types alone, as the body of a module declaration: what a build step puts into `declare module "*.onnx"`.
 *
 * @param graph as `describeGraph` gives it
 */
export async function moduleTypes(graph: GraphDescription): Promise<string> {
  const source = await emptySource();
  addDeclarations(source, declarationsOf(graph));
  return spaced(source);
}

async function emptySource(): Promise<SourceFile> {
  // TypeScript itself is read with it, which only those wait for who want bindings.
  const { IndentationText, Project, QuoteKind } = await import("ts-morph");
  const project = new Project({
    useInMemoryFileSystem: true,
    manipulationSettings: {
      indentationText: IndentationText.TwoSpaces,
      quoteKind: QuoteKind.Double,
    },
  });
  return project.createSourceFile("bindings.ts");
}

function addDeclarations(source: SourceFile, declarations: readonly Declaration[]): void {
  for (const declaration of declarations) {
    if (declaration.kind === "text") {
      source.addStatements(declaration.text);
    } else if (declaration.kind === "interface") {
      const added = source.addInterface(declaration.interface);
      if (added.getMembers().length === 0) added.replaceWithText(added.getText().replace(/\{\s*\}$/, "{}"));
    } else {
      const { name, parameters = [], doc, isExported, text } = declaration;
      source.addTypeAlias({
        ...{ name, isExported, type: text.replaceAll("\n", LINE_END) },
        typeParameters: [...parameters],
        docs: doc === "" ? [] : [doc],
      });
    }
  }
}

/** Tables and functions, behind the types. */
function valuesOf(graph: GraphDescription): string[] {
  const { adapters, residence, members } = graph;
  const fed = adapters.filter(({ tensors }) => tensors.some(({ isInput }) => isInput));
  const leavesOut = fed.every(isSizable);
  const head = "const inputTable: readonly Row[] = ";
  const slotHead = "const slotTable: readonly SlotRow[] = ";
  const memberHead = "export const members: readonly Member[] = ";
  return [
    `/** What stands for a number in the tables. */\nconst MARK = ${quoted(markOf(graph))};`,
    `${head}${inputTable(graph, head.length)};`,
    RUN_TEXT,
    ...(fed.length === 0
      ? []
      : [`${slotHead}${slotTable(graph, slotHead.length)};`, adapterInputsText(leavesOut)]),
    ...(residence === "bank"
      ? [
          `/** Names of the bank's adapters, by their ids. */\n${memberHead}${written(list(members.map(quoted)), memberHead.length, 0)};`,
          MEMBER_TEXT,
        ]
      : []),
  ];
}

/** The text with an empty line between declarations, and lines where {@link LINE_END} is. */
function spaced(source: SourceFile): string {
  const texts = source.getStatementsWithComments().map((statement) => statement.getFullText().trim());
  return `${texts.join("\n\n").replaceAll(` ${LINE_END}`, "\n").replaceAll(LINE_END, "\n")}\n`;
}
