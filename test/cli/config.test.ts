import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { loraOf, pattentionOf, scalarlmOf, writeWeights } from "../support/adapters.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfc, tfcHere } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const root = temporaryFolder();
let count = 0;

/** A folder with a model, and a configuration of each name given. */
function fresh(files: Readonly<Record<string, string | object>> = {}): string {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  writeModel(folder, "model.onnx", tinyDecoder());
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

/** What compile reports when it is run in a folder. */
function compiledIn(folder: string, ...args: readonly string[]): Record<string, unknown> {
  const { status, stdout, stderr } = tfc(["compile", "model.onnx", "--json", ...args], folder);
  // Notes may be said: of an adapter whose base is unknown, for one.
  expect({ status, problems: stderr.match(/\b(?:error|warning) [A-Z_]+:.*/g) }).toEqual({
    status: 0,
    problems: null,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The shapes of what a compiled model has been given. */
function shapesIn(folder: string, output = "model.tfc"): Record<string, readonly number[]> {
  const { tensors } = readSafetensors(path.join(folder, `${output}.adapters.safetensors`));
  return Object.fromEntries(
    [...tensors].map(([name, { shape }]) => [name.replace("model.layers.0.", ""), shape]),
  );
}

const typed = `import type { TfcConfig } from "@tokenformer/tfc/config";

type Kind = "lora" | "scalarlm";
interface Entry {
  readonly kind: Kind;
  readonly sites: string;
}
const entries: readonly Entry[] = [{ kind: "lora" satisfies Kind, sites: "q_proj" as string }];
const rank = <T extends number>(n: T): T => n;

export default {
  adapters: entries.map((entry) => ({ ...entry, settings: { rank: rank(3) } })),
} satisfies TfcConfig;
`;
const oneLora = { adapters: [{ kind: "lora", sites: "q_proj", settings: { rank: 3 } }] };
const modules: readonly (readonly [name: string, content: string | object])[] = [
  ["tfc.config.json", oneLora],
  ["tfc.config.ts", typed],
  ["tfc.config.mts", typed],
  ["tfc.config.mjs", `export default ${JSON.stringify(oneLora)};`],
  ["tfc.config.js", `export default ${JSON.stringify(oneLora)};`],
];

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
      // Behind the members lie the zeros of the base.
      "self_attn.q_proj.lora_A.weight": [4, 2, 8],
      "self_attn.q_proj.lora_B.weight": [4, 8, 2],
    });
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
      [5, 3, 8],
      [5, 8, 3],
    ]);
  });

  it("with a setting: it is taken, or said not to be", () => {
    const folder = fresh({ "tfc.config.json": oneLora });
    const { status, stderr } = tfc(["compile", "model.onnx", "--rank", "5"], folder);
    if (status === 0) expect(shapesIn(folder)["self_attn.q_proj.lora_A.weight"]).toEqual([5, 8]);
    else expect(stderr).toMatch(/error OPTION_[A-Z_]+: .*--rank/);
  });
});

describe("a configuration is refused", () => {
  /** Compiles with a configuration that must be refused. */
  async function refusedWith(name: string, config: string | object): Promise<string> {
    const folder = fresh({ [name]: config });
    return refused(folder, "compile", path.join(folder, "model.onnx"), "--config", path.join(folder, name));
  }

  const refusedHere = (config: string | object): Promise<string> => refusedWith("c.json", config);

  it.each<[string, object, string]>([
    ["a key that is none", { adapter: [] }, 'at "adapter"'],
    ["an object's own names", { toString: 1 }, 'at "toString"'],
    ["a list", [], "wanted a plain object, found []"],
    [
      "adapters that are no list",
      { adapters: { kind: "lora" } },
      "wanted a list of { kind, sites, settings }, found {",
    ],
    ["replace that is no list", { replace: "mlp" }, 'wanted a list of { sites, settings }, found "mlp"'],
    ["load that is no path", { load: 7 }, "wanted a path, or a list of paths, found 7"],
    ["load of something else", { load: ["a", null] }, 'found ["a",null]'],
    ["a residence that is no text", { residence: true }, "wanted baked, inputs or bank, found true"],
    ["members that are no number", { members: "3" }, 'wanted a whole number, found "3"'],
    ["half a seed", { seed: 0.5 }, "wanted a whole number, found 0.5"],
    ["weights that are none", { weights: "move" }, 'wanted link, copy, inline, found "move"'],
    ["strict that is no switch", { strict: "yes" }, 'wanted true or false, found "yes"'],
    ["lowerPagedAttention that is no switch", { lowerPagedAttention: 1 }, "wanted true or false, found 1"],
    ["nothing where something should be", { adapters: null }, "found null"],
  ])("for %s", async (_, config, text) => {
    const message = await refusedHere(config);
    expect(message).toMatch(/c\.json: error CONFIG_INVALID: the configuration is not valid/);
    expect(message).toContain(text);
  });

  it.each<[string, object, string, string]>([
    ["a kind that is none", { adapters: [{ kind: "dora" }] }, "OPTION_UNKNOWN_VALUE", '"dora"'],
    ["an adapter that is none", { adapters: [7] }, "OPTION_OUT_OF_RANGE", "found 7"],
    [
      "a key of an adapter that is none",
      { adapters: [{ kind: "lora", site: "mlp" }] },
      "OPTION_UNKNOWN",
      '"site"',
    ],
    [
      "a site that is none",
      { adapters: [{ kind: "lora", sites: "head" }] },
      "OPTION_UNKNOWN_VALUE",
      '"head"',
    ],
    [
      "a setting of another kind",
      { adapters: [{ kind: "lora", settings: { heads: 2 } }] },
      "OPTION_UNKNOWN",
      '"heads"',
    ],
    [
      "a setting out of range",
      { adapters: [{ kind: "lora", settings: { rank: 0 } }] },
      "OPTION_OUT_OF_RANGE",
      "found 0",
    ],
    [
      "settings that are none",
      { adapters: [{ kind: "lora", settings: 8 }] },
      "OPTION_OUT_OF_RANGE",
      "found 8",
    ],
    [
      "a kind of what is replaced",
      { replace: [{ kind: "lora" }] },
      "OPTION_UNKNOWN_VALUE",
      'replace[0].kind does not know "lora"',
    ],
    [
      "an entry without a kind",
      { adapters: [{ kind: "lora" }, {}] },
      "OPTION_UNKNOWN_VALUE",
      "adapters[1].kind does not know",
    ],
    [
      "a residence that is none",
      { residence: "cloud" },
      "OPTION_UNKNOWN_VALUE",
      'residence does not know "cloud"',
    ],
    [
      "a residence of no adapters",
      { replace: [{ sites: "mlp" }], residence: "inputs" },
      "OPTION_CONFLICT",
      "--adapters inputs does not go with --replace",
    ],
    ["a seed out of range", { seed: -1 }, "OPTION_OUT_OF_RANGE", "found -1"],
    ["no members", { residence: "bank", members: 0 }, "OPTION_OUT_OF_RANGE", "found 0"],
    ["a bank's members without a bank", { members: 2 }, "OPTION_CONFLICT", "--members does not go with"],
    [
      "adapters and load at once",
      { adapters: [{ kind: "lora" }], load: "nowhere" },
      "OPTION_CONFLICT",
      "adapters of a configuration",
    ],
  ])("for %s", async (_, config, code, text) => {
    const message = await refusedHere(config);
    expect(message).toContain(`error ${code}: `);
    expect(message).toContain(text);
  });

  it("by the path of what it loads, where there is none", async () => {
    const message = await refusedHere({ load: "sub/nothing.pt" });
    expect(message).toMatch(/\/sub\/nothing\.pt: error FILE_NOT_FOUND: cannot open \/.*\/sub\/nothing\.pt\n/);
  });

  it("whose code waits for ever", () => {
    const folder = fresh({ "tfc.config.ts": "await new Promise(() => {}); export default {};" });
    const { status, stderr } = tfc(["compile", "model.onnx"], folder);
    expect(status).toBe(1);
    expect(stderr).toContain("CONFIG_INVALID");
    expect(stderr).toContain("found a module that waits for what never comes");
    expect(filesIn(folder).filter((name) => name.endsWith(".mjs"))).toEqual([]);
  });

  it("when there is none", async () => {
    const folder = fresh();
    const file = path.join(folder, "nowhere.ts");
    const message = await refused(folder, "compile", path.join(folder, "model.onnx"), "--config", file);
    expect(message).toContain(`${file}: error FILE_NOT_FOUND`);
  });

  it.each([
    ["JSON that ends too soon", '{ "seed": 1'],
    ["an empty file", ""],
    ["comments in JSON", '{ "seed": 1 } // one'],
  ])("for %s", async (_, text) => {
    const message = await refusedHere(text);
    expect(message).toMatch(
      /c\.json: error CONFIG_INVALID: .*\n {2}at line .*\n {2}wanted JSON, or a module, found .*JSON/,
    );
  });

  it.each([
    ["tfc.config.json", '{\n  "seed": 1,\n  "weights": copy\n}', 3, 14],
    ["tfc.config.json", '{\n  "load": ["a",]\n}', 2, 16],
    ["tfc.config.json", '{\r\n  "seed": 1,\r\n  // one\r\n}', 3, 3],
    ["tfc.config.json", '{ "seed" 1 }', 1, 10],
    ["tfc.config.json", '{ "seed": tru', 1, 14],
    ["tfc.config.json", "", 1, 1],
    ["tfc.config.ts", "type A = string;\n\nexport default {\n  adapters: [ };\n", 4, 15],
    ["tfc.config.mts", "export default { seed: 1 } as\n", 1, 30],
    ["tfc.config.mjs", "export default {\n  adapters: [ };\n", 2, 15],
    ["tfc.config.js", "export default {\n  seed: 1;\n};\n", 2, 10],
    ["tfc.config.mjs", "const a = 1;\n  missing();\nexport default { a };\n", 2, 3],
    [
      "tfc.config.ts",
      "interface A {\n  b: string;\n}\nconst a: A | null = null;\n  missing(a as A);\nexport default {};\n",
      5,
      3,
    ],
  ])("%s: %j says where", async (name, content, line, column) => {
    expect(await refusedWith(name, content)).toContain(
      `${name}: error CONFIG_INVALID: the configuration is not valid\n  at line ${line}, column ${column}\n`,
    );
  });

  it.each([
    [
      "tfc.config.ts",
      "a syntax error",
      "export default { adapters: [ };",
      /found Expression or comma expected/,
    ],
    [
      "tfc.config.mjs",
      "a syntax error",
      "export default { adapters: [ };",
      /found Expression or comma expected/,
    ],
    [
      "tfc.config.ts",
      "no default export",
      "export const config = {};",
      /wanted a default export, found none/,
    ],
    [
      "tfc.config.mjs",
      "no default export",
      "export const config = {};",
      /wanted a default export, found none/,
    ],
    ["tfc.config.ts", "code that throws", 'throw new Error("no such luck");', /found no such luck/],
    ["tfc.config.ts", "a function", "export default () => ({});", /wanted a plain object, found/],
    ["tfc.config.mjs", "a map", "export default new Map([['seed', 3]]);", /wanted a plain object, found/],
    [
      "tfc.config.mjs",
      "a key whose reading throws",
      "export default { get seed() { throw new Error('no such luck'); } };",
      /found no such luck/,
    ],
    [
      "tfc.config.ts",
      "a type of a key",
      "export default { seed: 1 as unknown as string, members: [] };",
      /at "members"/,
    ],
    ["tfc.config.ts", "a value that JSON has not", "export default { seed: 1n };", /at "seed"/],
    [
      "tfc.config.ts",
      "a value that holds itself",
      "const a: object[] = []; a.push(a); export default { load: a };",
      /at "load"/,
    ],
  ])("%s: for %s", async (name, _, content, text) => {
    const message = await refusedWith(name, content);
    expect(message).toMatch(new RegExp(`${name.replaceAll(".", "\\.")}: error CONFIG_INVALID: `));
    expect(message).toMatch(text);
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
