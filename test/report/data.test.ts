import { readFileSync } from "node:fs";
import path from "node:path";
import proto from "onnx-proto";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { reportData } from "../../compiler/report/report.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import { initializerOf, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const austen = "samples/models/austen-llama";

/** Nodes by op of a file, as an independent reader of ONNX sees them: graphs inside nodes count, too. */
function opsIn(file: string): Record<string, number> {
  const { graph } = proto.onnx.ModelProto.decode(readFileSync(file));
  const ops: Record<string, number> = {};
  const pending = [graph];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const { domain, opType, attribute } of at?.node ?? []) {
      const op = `${domain == null || domain === "" ? "" : `${domain}::`}${opType ?? ""}`;
      ops[op] = (ops[op] ?? 0) + 1;
      for (const { g, graphs } of attribute ?? []) pending.push(...(g == null ? [] : [g]), ...(graphs ?? []));
    }
  }
  return ops;
}

const samples = [
  `${austen}/dynamo/model.onnx`,
  `${austen}/torchscript/model.onnx`,
  `${austen}/vllm/paged.onnx`,
  "samples/models/new-families/mixtral-dynamo/model.onnx",
  "samples/models/new-families/qwen2-moe-torchscript/model.onnx",
  "samples/models/families/llama2-genai-int4/model.onnx",
  "samples/models/families/gemma3-torchscript/model.onnx",
];

describe.each(samples)("%s", (file) => {
  const { data } = reportData({ model: file });
  const inspected = inspect(file);

  it("has the numbers of inspect", () => {
    const { parameters, matched, seen, hiddenSize, style } = data.summary;
    expect({ parameters, matched, seen, hiddenSize, style }).toEqual({
      parameters: inspected.parameters,
      matched: inspected.matched,
      seen: inspected.seen,
      hiddenSize: inspected.hiddenSize,
      style: inspected.style,
    });
    expect(data.parts[0]?.parameters).toBe(inspected.parameters);
    expect(data.parts[0]?.bytes).toBe(data.summary.bytes);
  });

  it("counts the ops that are in the file", () => {
    const counted = Object.fromEntries(data.ops.map(({ op, model }) => [op, model]));
    expect(counted).toEqual(opsIn(file));
  });

  it("has a row and a picture of every layer", () => {
    expect(new Set(data.layers.map(({ index }) => index))).toEqual(
      new Set(inspected.layers.map(({ index }) => index)),
    );
    for (const { part, modules } of data.layers) {
      expect(data.parts[part ?? -1]?.kind).toBe("layer");
      for (const module of modules) expect(module.part === null).toBe(module.miss !== null);
    }
  });
});

/** Ops that multiply by weights, or one activation by another. */
const multiplies =
  /^(MatMul|Gemm|com\.microsoft::(MatMulNBits|MoE|QMoE|GroupQueryAttention|PagedAttention)|Attention)$/;

/** What the products of the parts of some kinds are said to be for; a question mark where nothing is said. */
function rolesIn(file: string, kinds: readonly string[]): readonly string[] {
  const { parts, drawings } = reportData({ model: file }).data;
  const drawn = parts.filter(({ kind }) => kinds.includes(kind)).map(({ drawing }) => drawings[drawing]);
  return drawn.flatMap((drawing) =>
    (drawing?.nodes ?? [])
      .filter(({ op }) => multiplies.test(op))
      .map(({ op, roles }) => `${op} ${roles?.join(" ") ?? "?"}`),
  );
}

describe("what nodes are for", () => {
  const folder = temporaryFolder();
  const blocks = ["attention", "mlp", "experts", "head"];

  it.each(samples)(
    "is said of every product of a block of %s, and of what it is compiled to",
    async (file) => {
      const output = path.join(folder, file.replaceAll("/", "-"), "model.onnx");
      await compile({ input: file, output });
      const [base, compiled] = [rolesIn(file, blocks), rolesIn(output, blocks)];
      expect(base.length).toBeGreaterThan(10);
      expect(base.filter((text) => text.includes("?"))).toEqual([]);
      expect(compiled.filter((text) => text.includes("?"))).toEqual([]);
      expect(compiled.length).toBe(base.length);
    },
  );

  it("tells the products with all experts' weights apart", () => {
    // Both halves, 2 × 16 of 32, and back: what transformers stacks as `[experts, out, in]`.
    const { parts, drawings } = reportData({
      model: "samples/models/new-families/mixtral-dynamo/model.onnx",
    }).data;
    const [experts] = parts.filter(({ kind }) => kind === "experts");
    const drawing = drawings[experts?.drawing ?? -1];
    const stacks = (drawing?.nodes ?? []).flatMap(({ roles, in: [a = -1] }) =>
      roles === undefined ? [] : [`${roles.join(" ")} ${drawing?.values[a]?.type ?? ""}`],
    );
    expect(stacks).toEqual([
      'router float["batch_size*sequence_length",32]',
      'experts.gate_up_proj float["2*batch_size*sequence_length",32,32]',
      'experts.down_proj float["2*batch_size*sequence_length",32,16]',
    ]);
  });
});

const ownFolder = temporaryFolder();

it("names norms by where they stand, where an exporter kept one of their equal weights", () => {
  const file = "samples/models/families/llama2-dynamo/model.onnx";
  const model = proto.onnx.ModelProto.decode(readFileSync(file));
  for (const node of model.graph?.node ?? []) {
    node.input = (node.input ?? []).map((name) =>
      name.endsWith("norm.weight") ? "model.model.layers.0.input_layernorm.weight" : name,
    );
  }
  const shared = writeModel(ownFolder, "shared-norms.onnx", model);
  const namesOf = (one: string): readonly (readonly [string, readonly string[]])[] => {
    const { parts, layers, ends } = reportData({ model: one }).data;
    const labels = layers.map(({ name, modules }) => [name, modules.map(({ label }) => label)] as const);
    const norms = parts.filter(({ kind }) => kind === "norm").map(({ name }) => name);
    return [...labels, ["behind", ends.behind.map(({ label }) => label)], ["norms", norms]];
  };
  expect(namesOf(shared)).toEqual(namesOf(file));
  expect(namesOf(shared)[1]?.[1]).toContain("post_attention_layernorm");
});

describe("a base", () => {
  const folder = temporaryFolder();
  const own = writeModel(folder, "own.onnx", tinyDecoder());
  const changed = tinyDecoder();
  const weight = initializerOf(changed, "o_proj");
  weight.rawData = new Uint8Array(Float32Array.from({ length: 64 }, (_, i) => Math.cos(i)).buffer);
  const other = writeModel(folder, "other.onnx", changed);
  const [compiled, bare] = ["compiled.onnx", "bare.onnx"].map((name) => path.join(folder, name)) as [
    string,
    string,
  ];
  beforeAll(async () => {
    await compile({ input: own, output: compiled, adapter: "lora" });
    await compile({ input: own, output: bare, adapters: false });
  });
  const against = (model: string, base: string) => {
    const { data, diagnostics } = reportData({ model, base });
    const codes = diagnostics.map(({ code }) => code).filter((code) => code === "REPORT_OTHER_BASE");
    return { is: data.baseIs, codes, shown: data.summary.warnings.join(" ") };
  };

  it("is the model's own by its weights", () => {
    expect(against(compiled, own)).toMatchObject({ is: "own", codes: [] });
  });

  it("is another one where a weight differs, which is said", async () => {
    const { is, codes, shown } = against(compiled, other);
    expect({ is, codes }).toEqual({ is: "other", codes: ["REPORT_OTHER_BASE"] });
    expect(shown).toMatch(/REPORT_OTHER_BASE: .*0\.o_proj has \S+ where \S+ was/);
    const { status, stderr } = await tfcHere("report", compiled, other, "-o", path.join(folder, "page.html"));
    expect({ status, said: stderr.includes("warning REPORT_OTHER_BASE") }).toEqual({ status: 0, said: true });
  });

  it("is nothing known where the model recorded none, or the base was compiled, too", () => {
    for (const base of [own, other]) expect(against(bare, base)).toMatchObject({ is: "unknown", codes: [] });
    expect(against(compiled, compiled)).toMatchObject({ is: "unknown", codes: [] });
  });
});
