import { mkdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { loraOf, pattentionOf, scalarlmOf, writeWeights } from "../support/adapters.ts";
import { tfc, tfcHere } from "../support/tfc.ts";
import { compiledIn, fresh, modules, oneLora, shapesIn, typed } from "./config-folder.ts";

describe("a configuration", () => {
  it.each(modules)("is found in the working directory: %s", (name, content) => {
    const folder = fresh({ [name]: content });
    expect(compiledIn(folder)).toMatchObject({ kinds: { lora: 1 } });
    expect(shapesIn(folder)).toEqual({
      "self_attn.q_proj.lora_A.weight": [3, 8],
      "self_attn.q_proj.lora_B.weight": [8, 3],
    });
  });

  it.each(modules)("is found by --config, wherever it is: %s", async (name, content) => {
    const folder = fresh({ [`deep/er/${name}`]: content });
    const [model, config] = [path.join(folder, "model.onnx"), path.join(folder, "deep/er", name)];
    const { status, stdout } = await tfcHere("compile", model, "--config", config, "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kinds: { lora: 1 } });
    expect(shapesIn(folder)).toHaveProperty(["self_attn.q_proj.lora_A.weight"]);
  });

  it("by --config stands in the place of the working directory's", () => {
    const folder = fresh({
      "deep/er.json": oneLora,
      "tfc.config.json": { adapters: [{ kind: "pattention" }] },
    });
    expect(compiledIn(folder, "--config", "deep/er.json")).toMatchObject({ kinds: { lora: 1 } });
  });

  it("is that of the working directory, not of the model's folder", () => {
    const folder = fresh({ "tfc.config.json": oneLora });
    const other = path.join(folder, "elsewhere");
    mkdirSync(other);
    const { status, stdout } = tfc(
      ["compile", "../model.onnx", "-o", "m.onnx", "--heads", "2", "--json"],
      other,
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kinds: { scalarlm: 2 } });
  });

  it("in TypeScript comes before one in JSON", () => {
    const folder = fresh({
      "tfc.config.json": { adapters: [{ kind: "pattention" }] },
      "tfc.config.ts": typed,
    });
    expect(compiledIn(folder)).toMatchObject({ kinds: { lora: 1 } });
  });

  it("in TypeScript may use what Node has", () => {
    const content = `import { cpus } from "node:os";
const heads: number = cpus().length > 0 ? 2 : 1;
export default { adapters: [{ kind: "scalarlm", sites: ["mlp"], settings: { heads, rank: 1 } }] };
`;
    const folder = fresh({ "tfc.config.ts": content });
    compiledIn(folder);
    expect(shapesIn(folder)["mlp.tokenformer_k"]).toEqual([2, 8]);
  });

  it("puts different kinds at different sites", () => {
    const adapters = [
      { kind: "lora", sites: "q_proj,v_proj", settings: { rank: 2, alpha: 3, rslora: true } },
      { kind: "scalarlm", sites: ["mlp"], settings: { heads: 2, rank: 3 } },
      { kind: "pattention", sites: "attn@0", settings: { tokens: 5, norm: "softmax" } },
      { kind: "lora", sites: ["down_proj"], settings: { rank: 1 } },
    ];
    const folder = fresh({ "tfc.config.json": { adapters } });
    expect(compiledIn(folder)).toMatchObject({ adapters: 5, kinds: { lora: 3, scalarlm: 1, pattention: 1 } });
    expect(shapesIn(folder)).toEqual({
      "self_attn.key_param_tokens": [5, 8],
      "self_attn.value_param_tokens": [5, 8],
      "self_attn.q_proj.lora_A.weight": [2, 8],
      "self_attn.q_proj.lora_B.weight": [8, 2],
      "self_attn.v_proj.lora_A.weight": [2, 8],
      "self_attn.v_proj.lora_B.weight": [8, 2],
      "mlp.tokenformer_k": [2, 8],
      "mlp.tokenformer_v": [2, 24],
      "mlp.tokenformer_p": [3, 8],
      "mlp.down_proj.lora_A.weight": [1, 12],
      "mlp.down_proj.lora_B.weight": [8, 1],
    });
    const { status, stdout } = tfc(["verify", "model.onnx", "model.tfc.onnx", "--json"], folder);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ same: true });
  });

  it("says where weights are, how many, from which seed, and what is replaced", () => {
    const config = {
      adapters: [{ kind: "lora", sites: "q_proj", settings: { rank: 2 } }],
      replace: [{ sites: "mlp", settings: { tokens: 4 } }],
      residence: "bank",
      members: 3,
      seed: 9,
      weights: "inline",
    };
    const folder = fresh({ "tfc.config.json": config });
    expect(compiledIn(folder)).toMatchObject({ residence: "bank", replaced: 1, kinds: { lora: 1 } });
    expect(shapesIn(folder)).toEqual({
      "mlp.key_param_tokens": [4, 8],
      "mlp.value_param_tokens": [4, 8],
      "self_attn.q_proj.lora_A.weight": [3, 2, 8],
      "self_attn.q_proj.lora_B.weight": [3, 8, 2],
    });
  });

  it("is named in what compile prints, as text and as JSON", () => {
    const folder = fresh({ "tfc.config.json": oneLora });
    expect(tfc(["compile", "model.onnx"], folder).stdout).toMatch(/^config +tfc\.config\.json$/m);
    const { stdout } = tfc(["compile", "model.onnx", "--json"], folder);
    expect(JSON.parse(stdout)).toMatchObject({ config: path.join(folder, "tfc.config.json") });
  });

  it.each(["adapter.safetensors", ["./adapter.safetensors"]])("loads %j from beside itself", async (load) => {
    const folder = fresh({ "some/where/tfc.config.json": { load } });
    await writeWeights(path.join(folder, "some/where/adapter.safetensors"), scalarlmOf("model.layers.0.mlp"));
    expect(compiledIn(folder, "--config", "some/where/tfc.config.json")).toMatchObject({
      kinds: { scalarlm: 1 },
    });
    expect(shapesIn(folder)["mlp.tokenformer_v"]).toEqual([2, 24]);
  });
});

describe("settings of what is replaced", () => {
  const loading = (settings: object): object => ({
    load: "a.safetensors",
    replace: [{ sites: "mlp", settings }],
  });
  const withAdapter = async (config: object): Promise<string> => {
    const folder = fresh({ "tfc.config.json": config });
    await writeWeights(path.join(folder, "a.safetensors"), pattentionOf("model.layers.0.mlp"));
    return folder;
  };

  it("say what a loaded file does not", async () => {
    const folder = await withAdapter(loading({ norm: "softmax" }));
    compiledIn(folder);
    const { stdout } = tfc(["dump", "model.tfc.onnx"], folder);
    expect(stdout).toMatch(/"tfc.replaced": ".*softmax/);
  });

  it("must not contradict it", async () => {
    const folder = await withAdapter(loading({ tokens: 9 }));
    const { stderr } = tfc(["compile", "model.onnx"], folder);
    expect(stderr).toContain("error ADAPTER_SETTING_INVALID");
    expect(stderr).toContain("wanted tokens 9, as given, found tokens 5");
  });

  it("may be flags beside it", async () => {
    const folder = await withAdapter({ load: "a.safetensors", replace: [{ sites: "mlp" }] });
    expect(compiledIn(folder, "--norm", "softmax")).toMatchObject({ replaced: 1 });
    expect(tfc(["dump", "model.tfc.onnx"], folder).stdout).toMatch(/"tfc.replaced": ".*softmax/);
  });
});

describe("flags win over a configuration", () => {
  const config = { ...oneLora, seed: 9, residence: "inputs", weights: "inline" };

  it.each<[readonly string[], Readonly<Record<string, unknown>>]>([
    [["--adapter", "scalarlm", "--heads", "2"], { kinds: { scalarlm: 2 }, residence: "inputs" }],
    [["--adapter", "lora"], { kinds: { lora: 2 } }],
    [["--sites", "mlp", "--heads", "2"], { kinds: { scalarlm: 1 } }],
    [["--adapters", "baked"], { kinds: { lora: 1 }, residence: "baked" }],
    [["--no-adapters"], { kinds: {}, adapters: 0 }],
    [["--replace", "mlp", "--adapter", "lora"], { residence: "inputs", kinds: { lora: 2 }, replaced: 1 }],
    [["--replace", "mlp"], { kinds: {}, adapters: 0, replaced: 1 }],
  ])("%j", (flags, report) => {
    expect(compiledIn(fresh({ "tfc.config.json": config }), ...flags)).toMatchObject(report);
  });

  it("with --load", async () => {
    const folder = fresh({ "tfc.config.json": { ...oneLora, residence: "baked" } });
    await writeWeights(path.join(folder, "a.safetensors"), scalarlmOf("model.layers.0.mlp"));
    expect(compiledIn(folder, "--load", "a.safetensors")).toMatchObject({ kinds: { scalarlm: 1 } });
  });

  it("with --adapter, also where it would load", async () => {
    const folder = fresh({ "tfc.config.json": { load: "a.safetensors" } });
    await writeWeights(path.join(folder, "a.safetensors"), scalarlmOf("model.layers.0.mlp"));
    expect(compiledIn(folder, "--adapter", "lora")).toMatchObject({ kinds: { lora: 2 } });
  });

  it("with --seed, --members and --weights", () => {
    const bytes = (folder: string): unknown => {
      const { tensors } = readSafetensors(path.join(folder, "model.tfc.adapters.safetensors"));
      return [...tensors.values()].map(({ shape }) => shape);
    };
    const bank = { ...oneLora, residence: "bank", members: 2, weights: "inline" };
    const folder = fresh({ "tfc.config.json": bank });
    compiledIn(folder, "--members", "4");
    expect(bytes(folder)).toEqual([
      [4, 3, 8],
      [4, 8, 3],
    ]);
  });

  it("with a setting: it is taken, or said not to be", () => {
    const folder = fresh({ "tfc.config.json": oneLora });
    const { status, stderr } = tfc(["compile", "model.onnx", "--rank", "5"], folder);
    if (status === 0) expect(shapesIn(folder)["self_attn.q_proj.lora_A.weight"]).toEqual([5, 8]);
    else expect(stderr).toMatch(/error OPTION_[A-Z_]+: .*--rank/);
  });
});

it("without a configuration, compile does what it usually does", async () => {
  const folder = fresh();
  const { status, stdout } = await tfcHere(
    "compile",
    path.join(folder, "model.onnx"),
    "--heads",
    "2",
    "--json",
  );
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ kinds: { scalarlm: 2 }, residence: "baked" });
});

it("flags say what the files that a configuration loads do not", async () => {
  const folder = fresh({ "tfc.config.json": { load: "a.safetensors" } });
  await writeWeights(path.join(folder, "a.safetensors"), loraOf("model.layers.0.self_attn.q_proj"));
  expect(tfc(["compile", "model.onnx"], folder).stderr).toContain("error ADAPTER_ALPHA_UNKNOWN");
  expect(compiledIn(folder, "--alpha", "4")).toMatchObject({ kinds: { lora: 1 } });
});
