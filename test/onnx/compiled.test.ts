import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import { compile } from "../../compiler/compile/compile.ts";
import { graphOf, styles } from "../runtime/oracle.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const { onnx } = proto;
type Graph = proto.onnx.IGraphProto;
type Node = proto.onnx.INodeProto;

const folder = temporaryFolder();

/** Compiles, and reads the result with the other decoder. */
async function compiled(input: string, name: string): Promise<proto.onnx.ModelProto> {
  const output = path.join(folder, name);
  await compile({ input, output, settings: { rank: 2 } });
  return onnx.ModelProto.decode(readFileSync(output));
}

/** Names that are read before they are defined. */
function undefinedNames(nodes: readonly Node[], defined: Set<string>): string[] {
  return nodes.flatMap((node) => {
    const missing = (node.input ?? []).filter((name) => name !== "" && !defined.has(name));
    for (const { g, graphs } of node.attribute ?? []) {
      for (const inner of [...(g ? [g] : []), ...(graphs ?? [])])
        missing.push(...undefinedIn(inner, defined));
    }
    for (const name of node.output ?? []) defined.add(name);
    return missing;
  });
}

function undefinedIn(graph: Graph, outer: ReadonlySet<string> = new Set()): string[] {
  const here = [...(graph.input ?? []), ...(graph.initializer ?? [])].map(({ name }) => name ?? "");
  const defined = new Set([...outer, ...here]);
  const missing = undefinedNames(graph.node ?? [], defined);
  return [
    ...missing,
    ...(graph.output ?? []).map(({ name }) => name ?? "").filter((name) => !defined.has(name)),
  ];
}

function outputsOf(graph: Graph): string[] {
  return (graph.node ?? []).flatMap((node) => node.output ?? []).filter((name) => name !== "");
}

const sources: readonly (readonly [string, () => string])[] = [
  ...styles.map((style) => [style, () => graphOf(style)] as const),
  ["tiny", () => writeModel(folder, "base.onnx", tinyDecoder())],
  ["tiny of opset 11", () => writeModel(folder, "base11.onnx", tinyDecoder(11))],
];

describe.each(sources)("a compiled graph, read by onnx-proto: %s", (name, source) => {
  it("is well-formed", async () => {
    const model = await compiled(source(), `${name}.onnx`);
    const { graph } = model;
    if (!graph) throw new Error("no graph");
    expect(undefinedIn(graph)).toEqual([]);
    expect(new Set(outputsOf(graph)).size).toBe(outputsOf(graph).length);
    const domains = new Set(model.opsetImport.map(({ domain }) => domain ?? ""));
    for (const func of model.functions) {
      const defined = new Set(func.input ?? []);
      expect(undefinedNames(func.node ?? [], defined)).toEqual([]);
      expect((func.output ?? []).filter((output) => !defined.has(output))).toEqual([]);
      const imported = new Set((func.opsetImport ?? []).map(({ domain }) => domain ?? ""));
      expect((func.node ?? []).filter((node) => !imported.has(node.domain ?? ""))).toEqual([]);
      expect(domains).toContain(func.domain);
    }
    const functions = new Map(
      model.functions.map((func) => [`${func.domain ?? ""}::${func.name ?? ""}`, func]),
    );
    for (const node of graph.node ?? []) {
      const callee = functions.get(`${node.domain ?? ""}::${node.opType ?? ""}`);
      if (node.domain !== "tfc") continue;
      expect(node.input?.length).toBeLessThanOrEqual(callee?.input?.length ?? 0);
      expect(node.output?.length).toBeLessThanOrEqual(callee?.output?.length ?? 0);
    }
  });

  it("keeps the base's interface", async () => {
    const input = source();
    const base = onnx.ModelProto.decode(readFileSync(input)).graph;
    const { graph } = await compiled(input, `${name}.again.onnx`);
    const plain = (ports: readonly proto.onnx.IValueInfoProto[] | null | undefined): object[] =>
      (ports ?? []).map((port) =>
        onnx.ValueInfoProto.toObject(onnx.ValueInfoProto.create(port), { longs: Number }),
      );
    expect(plain(graph?.input)).toEqual(plain(base?.input));
    expect(plain(graph?.output)).toEqual(plain(base?.output));
  });
});
