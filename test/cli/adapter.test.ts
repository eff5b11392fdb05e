import { cpSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import {
  loraOf,
  pattentionOf,
  raw,
  scalarlmOf,
  weight,
  writePeft,
  writeWeights,
  type Weights,
} from "../support/adapters.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfc, tfcHere } from "../support/tfc.ts";

const root = temporaryFolder();
let count = 0;
const q = "model.layers.0.self_attn.q_proj";

/** A folder of its own, with an adapter in it. */
async function fresh(weights: Weights = mixed(), metadata = {}): Promise<{ folder: string; file: string }> {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  return { folder, file: await writeWeights(path.join(folder, "a.safetensors"), weights, metadata) };
}

function mixed(): Weights {
  return {
    ...Object.assign({}, ...[0, 1, 3].map((layer) => scalarlmOf(`model.layers.${layer}.mlp`))),
    ...pattentionOf("model.layers.0.self_attn.k_proj"),
    ...pattentionOf("model.layers.0.self_attn.o_proj"),
    "model.layers.0.input_layernorm.weight": weight([8]),
    "model.layers.1.input_layernorm.weight": weight([8]),
    "lm_head.weight": weight([16, 8], 1, "float16"),
  } as Weights;
}

async function printed(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await tfcHere("adapter", ...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

describe("tfc adapter ls", () => {
  it("says what is in an adapter", async () => {
    const { file } = await fresh();
    expect(await printed("ls", file)).toBe(
      [
        "format      safetensors",
        "scalarlm    mlp@0-1+3  heads 2, rank 3",
        "pattention  k_proj,o_proj@0  norm l2_norm_gelu, tokens 5",
        "parameters  424, and 144 of the base, float and float16",
        "overrides   lm_head.weight, input_layernorm.weight@0-1",
        "base        unknown\n",
      ].join("\n"),
    );
  });

  it("shows settings that differ line by line, and the base", async () => {
    const weights = { ...loraOf(q), ...loraOf("model.layers.1.self_attn.q_proj", { rank: 3 }) };
    const { folder } = await fresh();
    const peft = await writePeft(path.join(folder, "peft"), weights, {
      rank_pattern: { "layers.1.self_attn.q_proj": 3 },
      use_rslora: true,
    });
    expect(await printed("ls", peft)).toContain(
      [
        "format      PEFT folder",
        "lora        q_proj@0  rank 2, alpha 4, rslora",
        "            q_proj@1  rank 3,",
      ].join("\n"),
    );
    const base = '{"version":1,"layers":6,"hiddenSize":128,"samples":{}}';
    const { file } = await fresh(mixed(), { "tfc.base": base });
    expect(await printed("ls", file)).toMatch(/\nbase {8}[0-9a-f]{8} \(6 layers of 128\)\n$/);
  });

  it("prints one JSON object", async () => {
    const { file } = await fresh({ ...loraOf(q), "model.norm.weight": weight([8]) });
    const object = JSON.parse(
      await printed("ls", file, "--alpha", "3", "--rslora", "--json", "--check"),
    ) as object;
    expect(object).toEqual({
      file,
      format: "safetensors",
      parts: [
        {
          site: q,
          kind: "lora",
          settings: { rank: 2, alpha: 3, rslora: true },
          leaves: {
            "lora_A.weight": { dtype: "float", shape: [2, 8] },
            "lora_B.weight": { dtype: "float", shape: [8, 2] },
          },
        },
      ],
      overrides: { "model.norm.weight": { dtype: "float", shape: [8] } },
      parameters: { leaves: 32, overrides: 8 },
      dtypes: ["float"],
      base: null,
      checked: true,
    });
  });

  it("reads no numbers, but with --check all", async () => {
    const nan = {
      ...loraOf(q),
      [`${q}.lora_B.weight`]: raw("float16", [8, 2], new Uint8Array(32).fill(255)),
    };
    const { folder, file } = await fresh(nan);
    expect(await printed("ls", file, "--alpha", "1")).toContain("lora        q_proj@0");
    const message = await refused(folder, "adapter", "ls", file, "--alpha", "1", "--check");
    expect(message).toContain(`${file}: error ADAPTER_NOT_FINITE`);
    expect(message).toContain(`  at "${q}.lora_B.weight"`);
    const { file: good } = await fresh();
    expect(await printed("ls", good, "--check")).toContain("numbers     all finite");
  });

  it("refuses what is no adapter", async () => {
    const { folder, file } = await fresh(loraOf(q));
    expect(await refused(folder, "adapter", "ls", file)).toContain("ADAPTER_ALPHA_UNKNOWN");
    expect(await refused(folder, "adapter", "ls", path.join(folder, "none"))).toContain("FILE_NOT_FOUND");
    expect(await refused(folder, "adapter", "ls", folder)).toContain("ADAPTER_FORMAT_UNKNOWN");
    expect(await refused(folder, "adapter", "ls", file, "--norm", "softmax")).toContain("OPTION_UNKNOWN");
    expect(await refused(folder, "adapter", "ls", file, "--alpha", "many")).toContain("OPTION_OUT_OF_RANGE");
  });
});

describe("tfc adapter import and export", () => {
  it("go through every format and come back the same", async () => {
    const { folder } = await fresh();
    const at = (name: string): string => path.join(folder, name);
    const weights = { ...loraOf(q), ...loraOf("model.layers.1.self_attn.q_proj") };
    const peft = await writePeft(at("peft"), weights, { use_rslora: true });
    expect(await printed("import", peft, "-o", at("own.safetensors"))).toMatch(
      /^lora {8}q_proj@0-1 {2}rank 2, alpha 4, rslora\nparameters {2}64, float\nbase {8}unknown\nfile {8}.*own\.safetensors {2}[\d.]+ k?B\n$/,
    );
    await printed("export", at("own.safetensors"), "-o", at("x.onnx_adapter"));
    await printed("export", at("x.onnx_adapter"), "-o", at("x.pt"), "--step", "7");
    await printed("export", at("x.pt"), "-o", at("checkpoints"), "--format", "torch", "--step", "12");
    expect(filesIn(at("checkpoints"))).toEqual(["checkpoint_12.pt"]);
    const json = await printed(
      "export",
      at("checkpoints"),
      "-o",
      at("new/peft"),
      "--format",
      "peft",
      "--json",
    );
    expect(JSON.parse(json)).toEqual({
      file: at("checkpoints"),
      format: "torch",
      output: at("new/peft"),
      written: "peft",
      files: [at("new/peft/adapter_config.json"), at("new/peft/adapter_model.safetensors")],
      parameters: { leaves: 64, overrides: 0 },
    });
    expect(await printed("diff", peft, at("new/peft"))).toBe(
      "compared     4 weights\nnumbers      equal\ndifferences  none\n",
    );
    expect(readAdapter(at("new/peft")).parts[0]?.settings).toMatchObject({ rank: 2, rslora: false });
  });

  it("settle what a file did not say", async () => {
    const { folder, file } = await fresh({ ...loraOf(q) });
    await printed("import", file, "-o", path.join(folder, "b.safetensors"), "--alpha", "6");
    expect(readAdapter(path.join(folder, "b.safetensors")).parts[0]?.settings["alpha"]).toBe(6);
  });

  it("replace files, and make folders", async () => {
    const { folder, file } = await fresh();
    const output = path.join(folder, "deep/er/b.safetensors");
    await printed("import", file, "-o", output);
    const first = readFileSync(output);
    await printed("import", file, "-o", output);
    expect(readFileSync(output).equals(first)).toBe(true);
    expect(filesIn(path.join(folder, "deep/er"))).toEqual(["b.safetensors"]);
  });

  it.each<[string, (at: (name: string) => string) => string]>([
    ["its own name", (at) => at("a.safetensors")],
    ["a path with ..", (at) => `${at("sub")}/../a.safetensors`],
    [
      "a symbolic link",
      (at) => (symlinkSync("a.safetensors", at("soft.safetensors")), at("soft.safetensors")),
    ],
    ["a hard link", (at) => (linkSync(at("a.safetensors"), at("hard.safetensors")), at("hard.safetensors"))],
  ])("never overwrite the input, by %s", async (_, name) => {
    const { folder, file } = await fresh();
    const before = readFileSync(file);
    const output = name((one) => path.join(folder, one));
    const message = await refused(folder, "adapter", "import", file, "-o", output);
    expect(message).toContain("error OUTPUT_IS_INPUT");
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it("never overwrite a folder that is the input, but write a checkpoint beside others", async () => {
    const { folder } = await fresh();
    const peft = await writePeft(path.join(folder, "peft"), loraOf(q));
    expect(await refused(folder, "adapter", "export", peft, "-o", peft, "--format", "peft")).toContain(
      "OUTPUT_IS_INPUT",
    );
    const steps = path.join(folder, "steps");
    await printed("export", peft, "-o", steps, "--format", "torch", "--step", "3");
    const again = ["export", steps, "-o", steps, "--format", "torch", "--step"];
    expect(await refused(folder, "adapter", ...again, "3")).toContain("OUTPUT_IS_INPUT");
    await printed(...again, "4");
    expect(filesIn(steps)).toEqual(["checkpoint_3.pt", "checkpoint_4.pt"]);
  });

  it.each<[string, readonly string[], string]>([
    ["an import to another ending", ["import", "a.safetensors", "-o", "b.pt"], "OPTION_OUT_OF_RANGE"],
    ["an import to a folder", ["import", "a.safetensors", "-o", "b"], "OPTION_OUT_OF_RANGE"],
    ["an import to nowhere", ["import", "a.safetensors"], "USAGE"],
    ["an export to a folder of no format", ["export", "a.safetensors", "-o", "b"], "USAGE"],
    [
      "a format that is none",
      ["export", "a.safetensors", "-o", "b", "--format", "gguf"],
      "OPTION_UNKNOWN_VALUE",
    ],
    [
      "a step of no checkpoint",
      ["export", "a.safetensors", "-o", "b.onnx_adapter", "--step", "1"],
      "OPTION_UNKNOWN",
    ],
    ["a step that is none", ["export", "a.safetensors", "-o", "b.pt", "--step", "-1"], "OPTION_OUT_OF_RANGE"],
    [
      "an adapter that PEFT cannot hold",
      ["export", "a.safetensors", "-o", "b", "--format", "peft"],
      "ADAPTER_FORMAT_CANNOT",
    ],
    [
      "overrides in .onnx_adapter",
      ["export", "a.safetensors", "-o", "b.onnx_adapter"],
      "ADAPTER_FORMAT_CANNOT",
    ],
    ["a kind that ScalarLM cannot hold", ["export", "a.safetensors", "-o", "b.pt"], "ADAPTER_FORMAT_CANNOT"],
    [
      "an output below a file",
      ["import", "a.safetensors", "-o", "a.safetensors/b.safetensors"],
      "FILE_NOT_WRITABLE",
    ],
    ["an output that is a folder", ["import", "a.safetensors", "-o", "dir.safetensors"], "FILE_NOT_WRITABLE"],
    ["no input", ["import", "none", "-o", "b.safetensors"], "FILE_NOT_FOUND"],
  ])("refuse %s, and write nothing", async (_, args, code) => {
    const { folder } = await fresh();
    mkdirSync(path.join(folder, "dir.safetensors"));
    const at = args.map((arg, i) => (i === 1 || args[i - 1] === "-o" ? path.join(folder, arg) : arg));
    expect(await refused(folder, "adapter", ...at)).toContain(`error ${code}`);
  });

  it("refuse numbers that are none, and leave what was there", async () => {
    const nan = { ...loraOf(q), [`${q}.lora_B.weight`]: raw("float", [8, 2], new Uint8Array(64).fill(255)) };
    const { folder, file } = await fresh(nan);
    for (const output of ["b.safetensors", "b.pt", "b.onnx_adapter"]) {
      writeFileSync(path.join(folder, output), "old");
      const message = await refused(
        folder,
        "adapter",
        "export",
        file,
        "-o",
        path.join(folder, output),
        "--alpha",
        "1",
      );
      expect(message).toContain("ADAPTER_NOT_FINITE");
      expect(readFileSync(path.join(folder, output), "utf8")).toBe("old");
    }
    const peft = ["--format", "peft", "--alpha", "1"];
    expect(
      await refused(folder, "adapter", "export", file, "-o", path.join(folder, "peft"), ...peft),
    ).toContain("ADAPTER_NOT_FINITE");
  });
});

describe("tfc adapter diff", () => {
  it("says that two adapters are equal, whatever their formats", async () => {
    const { folder, file } = await fresh(scalarlmOf("model.layers.0.mlp"));
    await printed("export", file, "-o", path.join(folder, "a.pt"));
    const object = JSON.parse(await printed("diff", file, path.join(folder, "a.pt"), "--json")) as object;
    expect(object).toMatchObject({ same: true, differences: [], distances: { length: 3 } });
  });

  it("reports what differs, and ends with an error", async () => {
    const layers = (seed: number): Weights =>
      Object.assign(
        {},
        ...[0, 1, 2].map((layer) => scalarlmOf(`model.layers.${layer}.mlp`, { seed })),
      ) as Weights;
    const { file: a } = await fresh({ ...layers(1), ...pattentionOf(q) });
    const { file: b } = await fresh({ ...layers(1.001), "model.norm.weight": weight([8]) });
    const { status, stdout, stderr } = await tfcHere("adapter", "diff", a, b);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      new RegExp(
        [
          "^compared     9 weights",
          "numbers      at most 0.001 apart \\(relative \\S+\\)",
          "differences  mlp.tokenformer_k@0-2: numbers at most \\S+ apart \\(relative \\S+\\)",
          "             mlp.tokenformer_v@0-2: numbers at most \\S+ apart \\(relative \\S+\\)",
          "             mlp.tokenformer_p@0-2: numbers at most \\S+ apart \\(relative \\S+\\)",
          "             self_attn.q_proj \\(pattention\\)@0: only in the first",
          "             model.norm.weight: only in the second\n$",
        ].join("\n"),
      ),
    );
    expect(stderr).toContain(
      `${b}: error ADAPTERS_DIFFER: the adapters differ in 11 places\n  at "model.layers.0.mlp.tokenformer_k"`,
    );
    expect(stderr).toMatch(/^ {2}fix: /m);
    const near = await tfcHere("adapter", "diff", a, b, "--tolerance", "0.01", "--json");
    expect(JSON.parse(near.stdout)).toMatchObject({
      same: false,
      differences: { length: 2 },
      distances: { length: 9 },
    });
    expect(near.stderr).toContain("differ in 2 places");
  });

  it("shows no more than a page", async () => {
    const many = (at: string, width: number): Weights =>
      Object.assign(
        {},
        ...Array.from({ length: 25 }, (_, layer) =>
          loraOf(`model.layers.${layer}.${at}`, { rank: layer + 1, inFeatures: width, outFeatures: width }),
        ),
      ) as Weights;
    const { file: a } = await fresh(many("self_attn.q_proj", 8));
    const { file: b } = await fresh(many("self_attn.k_proj", 8));
    const sites = await tfcHere("adapter", "diff", a, b, "--alpha", "2");
    expect(sites.stdout.split("\n")).toEqual([
      "compared     0 weights",
      "numbers      equal",
      "differences  self_attn.q_proj (lora)@0-24: only in the first",
      "             self_attn.k_proj (lora)@0-24: only in the second",
      "",
    ]);
    const { file: c } = await fresh(many("self_attn.q_proj", 6));
    const shapes = await tfcHere("adapter", "diff", a, c, "--alpha", "2");
    expect(shapes.stdout.split("\n")).toHaveLength(24);
    expect(shapes.stdout).toContain("and 30 more lines (--json has all)");
  });

  it("refuses a tolerance that is none, and one adapter", async () => {
    const { folder, file } = await fresh();
    expect(await refused(folder, "adapter", "diff", file, file, "--tolerance", "-1")).toContain(
      "OPTION_OUT_OF_RANGE",
    );
    expect(await refused(folder, "adapter", "diff", file)).toContain("USAGE");
  });
});

describe("tfc adapter", () => {
  it("says which commands it has", async () => {
    const { folder, file } = await fresh();
    expect(await refused(folder, "adapter")).toContain(
      "tfc adapter needs a command: ls, import, export, extract, diff",
    );
    expect(await refused(folder, "adapter", "rm", file)).toContain('tfc adapter has no command "rm"');
    const listed = await refused(folder, "adapter", "list", file, "--check");
    expect(listed).toContain('tfc adapter has no command "list"');
    expect(listed).toContain("did you mean ls?");
    expect(await refused(folder, "adapter", "ls", file, "--wings")).toContain("unknown option '--wings'");
    expect(await refused(folder, "adapter", "ls")).toContain("missing required argument 'path'");
    const help = await tfcHere("adapter", "--help");
    expect(help).toMatchObject({ status: 0, stderr: "" });
    expect(help.stdout).toContain("Usage: tfc adapter <command> [options]");
    const ls = await tfcHere("adapter", "ls", "--help");
    expect(ls.status).toBe(0);
    expect(ls.stdout).toContain("--check");
  });

  it("runs as a process of its own", async () => {
    const { folder } = await fresh();
    cpSync(path.resolve(import.meta.dirname, "../../samples/models/peft/plain"), path.join(folder, "plain"), {
      recursive: true,
    });
    const { status, stdout } = tfc(["adapter", "ls", "plain"], folder);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: [
        "format      PEFT folder",
        "lora        q_proj,v_proj@0-5  rank 4, alpha 8",
        "parameters  10,752, float",
        "base        unknown\n",
      ].join("\n"),
    });
  });
});
