import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { pattentionOf, save, scalarlmOf, weight, writePeft, type Weights } from "../support/adapters.ts";
import { refused } from "../support/refused.ts";
import {
  folder,
  family,
  model,
  q,
  mlp,
  lora,
  nextFile,
  samples,
  written,
  refusedWith,
  expectSaid,
} from "./adapters.ts";

describe("options that do not go together", () => {
  let file: string;
  beforeAll(async () => {
    file = await written(scalarlmOf(mlp));
  });

  it.each<[readonly string[], string, string]>([
    [["--adapter", "lora"], "--load", "--adapter, --sites or adapters of a configuration"],
    [["--sites", "mlp"], "--load", "--adapter, --sites or adapters of a configuration"],
    [["--no-adapters"], "--no-adapters", "--load"],
    [["--members", "2"], "--members", "--load: a bank holds what is loaded"],
    [["--members", "2", "--adapters", "bank"], "--members", "--load: a bank holds what is loaded"],
  ])("--load and %j", async (flags, option, other) => {
    const message = await refusedWith(file, ...flags);
    expect(message).toBe(
      [
        `error OPTION_CONFLICT: ${option} does not go with ${other}`,
        "  wanted one of the two, found both",
        "  fix: leave one of them out\n",
      ].join("\n"),
    );
  });

  it.each(["baked", "inputs"])("two --load without a bank, adapters %s", async (residence) => {
    const message = await refusedWith(file, "--load", file, "--adapters", residence);
    expect(message).toContain(
      `error OPTION_CONFLICT: --load does not go with --adapters ${residence} where it has several`,
    );
    expect(message).toContain(
      "fix: give --adapters bank, which holds several adapters, or load one of them\n",
    );
  });

  it.each([
    [["--members", "2", "--no-adapters"], "--members does not go with --no-adapters"],
    [["--members", "2", "--adapters", "inputs"], "--members does not go with --adapters inputs"],
    [["--no-adapters", "--adapter", "lora"], "--no-adapters does not go with --adapter or --sites"],
    [["--no-adapters", "--sites", "mlp"], "--no-adapters does not go with --adapter or --sites"],
  ])("%j", async (flags, text) => {
    expect(await refused(folder, "compile", model, ...flags)).toContain(`error OPTION_CONFLICT: ${text}`);
  });

  it.each<[readonly string[], string]>([
    [["--adapters", "nowhere"], 'OPTION_UNKNOWN_VALUE: --adapters does not know "nowhere"'],
    [["--members", "2"], "OPTION_UNUSED: --members would have no effect\n  wanted --adapters bank beside it"],
    [["--members", "0", "--adapters", "bank"], "OPTION_OUT_OF_RANGE: --members is out of range"],
    [["--norm", "l1"], 'OPTION_UNKNOWN_VALUE: --norm does not know "l1"'],
    [["--tokens", "0"], "OPTION_OUT_OF_RANGE: --tokens is out of range"],
    [["--tau", "-1"], "OPTION_OUT_OF_RANGE: --tau is out of range"],
    [["--alpha", "much"], "OPTION_OUT_OF_RANGE: --alpha is out of range"],
    [["--adapter", "lora", "--heads", "2"], 'OPTION_UNKNOWN: adapter lora has no option "heads"'],
    [["--adapter", "pattention", "--rank", "2"], 'OPTION_UNKNOWN: adapter pattention has no option "rank"'],
    [["--replace", "head"], 'OPTION_UNKNOWN_VALUE: --replace does not know "head"'],
  ])("%j", async (flags, text) => {
    expect(await refused(folder, "compile", model, ...flags)).toContain(`error ${text}`);
  });

  it("a hint that contradicts the file, and one for another kind", async () => {
    const peft = await writePeft(nextFile(""), lora);
    const message = await refusedWith(peft, "--alpha", "5");
    expect(message).toMatch(/error ADAPTER_SETTING_INVALID: [^]*wanted alpha 5, as given, found alpha 4/);
    expect(message).toContain(`  at "${q}"`);
    expect(await refusedWith(peft, "--heads", "2")).toContain(
      'error OPTION_UNKNOWN: an adapter of this kind has no option "heads"',
    );
  });

  it.each([
    ["the adapter's file", (file: string): string => file],
    [
      "a weights file of its PEFT folder",
      (_: string, peft: string) => path.join(peft, "adapter_model.safetensors"),
    ],
    ["the config of its PEFT folder", (_: string, peft: string) => path.join(peft, "adapter_config.json")],
  ])("an output in the place of %s", async (what, output) => {
    const peft = await writePeft(nextFile(""), lora);
    const load = what === "the adapter's file" ? file : peft;
    const target = output(file, peft);
    const before = readFileSync(target);
    const message = await refusedWith(load, "-o", target);
    expect(message).toContain("error OUTPUT_IS_INPUT");
    expect(readFileSync(target).equals(before)).toBe(true);
  });

  it("an output in the place of a checkpoint of its folder", async () => {
    const home = nextFile("");
    mkdirSync(home);
    cpSync(await save(readAdapter(file), nextFile(".pt"), "torch"), path.join(home, "checkpoint_7.pt"));
    const target = path.join(home, "checkpoint_7.pt");
    const before = readFileSync(target);
    expect(await refusedWith(home, "-o", target)).toContain("error OUTPUT_IS_INPUT");
    expect(readFileSync(target).equals(before)).toBe(true);
  });
});

describe("a bank", () => {
  async function refusedBank(...members: readonly Weights[]): Promise<string> {
    const files = await Promise.all(members.map((weights) => written(weights)));
    const load = files.flatMap((file) => ["--load", file]);
    const message = await refused(folder, "compile", model, ...load, "--adapters", "bank");
    expect(message).toContain(`${files.at(-1) ?? ""}: error `);
    return message;
  }

  it.each<[string, Weights, Weights, string, string]>([
    ["kinds", scalarlmOf(mlp), pattentionOf(mlp), "scalarlm 2", "pattention l2_norm_gelu"],
    ["heads", scalarlmOf(mlp), scalarlmOf(mlp, { heads: 4 }), "scalarlm 2", "scalarlm 4"],
  ])("of different %s", async (_, first, second, wanted, found) => {
    const message = await refusedBank(first, second);
    expect(message).toContain(`error BANK_MIXED: the adapters of a bank differ in kind at ${mlp}`);
    expect(message).toContain(`wanted ${wanted}, found ${found}`);
  });

  it("of different norms", async () => {
    const files = await Promise.all(
      ["softmax", "gelu_l2_norm"].map((norm) => {
        const parts = [{ kind: "pattention", settings: { norm }, sites: [mlp] }];
        return written(pattentionOf(mlp), { "tfc.adapter": JSON.stringify({ version: 1, parts }) });
      }),
    );
    const load = files.flatMap((file) => ["--load", file]);
    const message = await refused(folder, "compile", model, ...load, "--adapters", "bank");
    expectSaid(
      message,
      files[1] ?? "",
      "BANK_MIXED",
      mlp,
      "wanted pattention softmax, found pattention gelu_l2_norm",
    );
  });

  it("one of whose members brings weights of the base", async () => {
    const name = "model.layers.0.self_attn.q_proj.weight";
    const message = await refusedBank(scalarlmOf(mlp), { ...scalarlmOf(mlp), [name]: weight([8, 8]) });
    expect(message).toContain("error OVERRIDE_REFUSED");
    expect(message).toContain(`  at "${name}"`);
    expect(message).toContain("a bank has one base for all its members");
    expect(message).not.toContain("float");
  });
});

describe("sites that cannot be had", () => {
  it.each([
    ["mlp@99", "mlp@99"],
    ["q_proj@0-1", "q_proj@0-1"],
    ["up_proj,attn@7+9", "attn@7+9"],
  ])("--sites %s", async (sites, named) => {
    const message = await refused(folder, "compile", model, "--adapter", "lora", "--sites", sites);
    expect(message).toContain(`error SITE_EMPTY: no block was matched for the site "${named}"`);
  });

  it.each(["mlp@x", "mlp@", "mlp@3-1", "mlp@-1", "mlp@1000000", "mlp@0-100001"])(
    "--sites %s is none",
    async (sites) => {
      const message = await refused(folder, "compile", model, "--sites", sites);
      expect(message).toContain("error OPTION_OUT_OF_RANGE: --sites is out of range");
      expect(message).toContain(`found ${sites}`);
    },
  );

  it.each(["mlp@0@1", "@0", "MLP", "model.layers.0.mlp"])("--sites %s is unknown", async (sites) => {
    const message = await refused(folder, "compile", model, "--sites", sites);
    expect(message).toContain("error OPTION_UNKNOWN_VALUE: --sites does not know");
  });

  async function refusedConfig(config: object): Promise<string> {
    const file = nextFile(".json");
    writeFileSync(file, JSON.stringify(config));
    return refused(folder, "compile", model, "--config", file);
  }

  it("two kinds at one site in a configuration", async () => {
    const adapters = [
      { kind: "scalarlm", sites: "mlp", settings: { heads: 2 } },
      { kind: "pattention", sites: "mlp@0" },
    ];
    const message = await refusedConfig({ adapters });
    expect(message).toContain(`error SITE_TWICE: two adapters are asked for at ${mlp}`);
    expect(message).toContain("wanted one at each site, found scalarlm and pattention");
  });

  it("one kind with different settings at one site in a configuration", async () => {
    const adapters = [
      { kind: "lora", sites: "q_proj", settings: { rank: 2 } },
      { kind: "lora", sites: "q_proj@0", settings: { rank: 4 } },
    ];
    expect(await refusedConfig({ adapters })).toContain(
      `error SITE_TWICE: two adapters are asked for at ${q}`,
    );
  });

  it("a projection of an MLP that is replaced", async () => {
    const adapters = [{ kind: "lora", sites: "up_proj" }];
    expect(await refusedConfig({ adapters, replace: [{ sites: "mlp" }] })).toContain(
      'error SITE_EMPTY: no block was matched for the site "up_proj"',
    );
  });
});

describe("what cannot be replaced", () => {
  it("attention", async () => {
    const message = await refused(folder, "compile", model, "--replace", "attn");
    expect(message).toContain(
      "error REPLACE_IMPOSSIBLE: model.layers.0.self_attn cannot be replaced by token-parameter attention",
    );
    expect(message).toContain("found attention is no projection");
  });

  it.each([
    ["phi3-dynamo", "q_proj", "model.layers.0.self_attn.q_proj", "k_proj"],
    ["phi3-dynamo", "q_proj,v_proj", "model.layers.0.self_attn.q_proj", "k_proj"],
    ["phi3-dynamo", "up_proj@1", "model.layers.1.mlp.up_proj", "gate_proj"],
    ["phi3-genai-fp32", "k_proj,v_proj@1", "model.layers.0.self_attn.k_proj", "q_proj"],
  ])("of %s: %s, which is packed with others", async (name, sites, site, other) => {
    const message = await refused(
      folder,
      "compile",
      family(name),
      "-o",
      nextFile(".onnx"),
      "--replace",
      sites,
    );
    expect(message).toContain(`error REPLACE_IMPOSSIBLE: ${site} cannot be replaced`);
    expect(message).toContain(`found it is packed into one product with ${other}, which stays`);
  });

  it("a site that is not there", async () => {
    expect(await refused(folder, "compile", model, "--replace", "q_proj@4")).toContain(
      'error SITE_EMPTY: no block was matched for the site "q_proj@4"',
    );
  });

  it("with LoRA of a PEFT folder", async () => {
    const load = path.join(samples, "peft/plain");
    const base = path.join(samples, "austen-llama/torchscript/model.onnx");
    const message = await refused(
      folder,
      "compile",
      base,
      "--load",
      load,
      "--replace",
      "q_proj",
      "-o",
      nextFile(".onnx"),
    );
    expect(message).toContain(
      "error REPLACE_WEIGHTS_MISSING: the file has no weights for model.layers.0.self_attn.q_proj",
    );
  });

  it("with weights that do not fit", async () => {
    const file = await written(pattentionOf(mlp, { outFeatures: 7 }));
    const message = await refusedWith(file, "--replace", "mlp");
    expectSaid(message, file, "ADAPTER_LEAF_SHAPE", `${mlp}.value_param_tokens`, "wanted [5,8], found [5,7]");
  });

  it.each<[string, Weights, readonly string[]]>([
    ["at one of the sites", pattentionOf(q), []],
    ["anywhere", lora, ["--alpha", "4"]],
  ])("with a file that has no weights for it %s", async (_, weights, hints) => {
    const file = await written(weights);
    const message = await refusedWith(file, "--replace", "q_proj,mlp", ...hints);
    const site = hints.length === 0 ? mlp : q;
    expect(message).toContain(`error REPLACE_WEIGHTS_MISSING: the file has no weights for ${site}`);
  });
});
