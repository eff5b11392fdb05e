import { expect, test } from "@jest/globals";
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compile } from "../../compiler/index.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { largeModels } from "../support/large-models.ts";
import { app, build, bundlers, filesIn, run, writer, type BundlerName } from "./app.ts";

test.each(bundlers)(
  "%s fails with the compiler's message where the model is missing",
  (bundler: BundlerName) => {
    const root = app({ "main.js": `import model from "./model/gone.onnx?tfc"; console.log(model.url);` });
    const { status, output } = build(bundler, root);
    expect(status).not.toBe(0);
    expect(output).toContain("error FILE_NOT_FOUND");
    expect(output).toContain(path.join(root, "model/gone.onnx"));
    // Where the import stands, as each bundler writes it.
    expect(output).toMatch(/main\.js['" ]*(:|, line: | )1/);
    expect(filesIn(root).filter((name) => name.startsWith("out/"))).toEqual([]);
  },
);

test.each([
  ["?tfc&rank=0", ["OPTION_OUT_OF_RANGE", "rank is out of range", "fix: correct rank"]],
  ["?tfc&rnak=4", ["OPTION_UNKNOWN", '"rnak"', "rank"]],
  ["?tfc&adapter=loar", ["OPTION_UNKNOWN_VALUE", "loar", "lora"]],
  ["?tfc&adapter=lora&adapter=scalarlm", ["OPTION_REPEATED", "adapter is given more than once"]],
  ["?tfc&no-adapters&adapters=inputs", ["OPTION_CONFLICT", "no-adapters"]],
  ["?tfc&kv=shared", ["OPTION_UNUSED", "kv"]],
  ["?tfc&load=./gone", ["FILE_NOT_FOUND", "gone"]],
  ["?tfc&config=./gone.config.ts", ["FILE_NOT_FOUND", "gone.config.ts"]],
  ["?tfc&inline", ["OPTION_CONFLICT", "inline", "target=browser"]],
])("%s is refused in the words of the query", (query, said) => {
  const { status, output } = build("rollup", writer(query));
  expect(status).not.toBe(0);
  for (const text of said) expect(output).toContain(text);
  expect(output).not.toContain("`");
  expect(output).not.toMatch(/--(rank|kv|adapter)/);
});

test("a model that is too large to be part of a module is refused, also where the compiled one is there", () => {
  const root = writer("?tfc&no-adapters&inline");
  // The same weights, with room behind them.
  truncateSync(path.join(root, "model/dynamo/model.onnx.data"), 40 * 2 ** 20);
  for (const bundler of ["esbuild", "rolldown"] as const) {
    const { status, output } = build(bundler, root, { target: "browser" });
    expect(status).not.toBe(0);
    expect(output).toContain("BUILD_INLINE_SIZE");
    expect(output).toContain(`at most ${32 * 2 ** 20} bytes`);
  }
  expect(existsSync(path.join(root, "out"))).toBe(false);
});

test("what compiling warns of is told by every build, also by one that finds the model in its cache", () => {
  const root = app({ "main.js": `import model from "./four.onnx?tfc"; console.log(model.url);` });
  const layers = largeModels["layers"]?.(4) ?? "";
  const text = layers.replace("MatMul (context2, o2)", "MatMul (context2, context2)");
  expect(text).not.toBe(layers);
  writePieces(path.join(root, "four.onnx"), emitModel(parseModel(text)).pieces);
  writeFileSync(path.join(root, "w.bin"), Buffer.alloc(4096, 1));
  // esbuild compiles it, the others find it.
  for (const bundler of ["esbuild", ...bundlers] as const) {
    const { status, output } = build(bundler, root, { out: path.join(root, bundler) });
    expect([bundler, status]).toEqual([bundler, 0]);
    expect([bundler, output]).toEqual([bundler, expect.stringContaining("warning ATTENTION_UNMATCHED")]);
    expect(output).toContain(path.join(root, "four.onnx"));
  }
  // One that is strict fails.
  const { status, output } = build("rollup", root, { plugin: { config: { strict: true } } });
  expect(status).not.toBe(0);
  expect(output).toContain("error STRICT");
});

test("an option that the plugin has not is an error", () => {
  const { status, output } = build("esbuild", writer(), { plugin: { cach: "x" } });
  expect(status).not.toBe(0);
  expect(output).toContain('the plugin has no option "cach"');
});

test("two imports of one model with other options both work, and a configuration counts where the query is silent", () => {
  const root = app({
    "tfc.config.json":
      '{ "adapters": [{ "kind": "lora", "settings": { "rank": 2 } }], "residence": "inputs" }',
    "main.js": [
      `import configured from "./model/dynamo/model.onnx?tfc";`,
      `import asked from "./model/dynamo/model.onnx?tfc&adapter=scalarlm&adapters=inputs&heads=2";`,
      `const seen = [configured, asked].map((model) => [model.adapters[0].kind, model.adapters[0].settings]);`,
      `const sessions = await Promise.all([configured.createSession(), asked.createSession()]);`,
      `console.log(JSON.stringify([seen, sessions.map((one) => one.inputs.length), configured.url !== asked.url]));`,
    ].join("\n"),
  });
  expect(build("rolldown", root)).toMatchObject({ status: 0 });
  expect(run(root)).toEqual([
    [
      ["lora", expect.objectContaining({ rank: 2 })],
      ["scalarlm", expect.objectContaining({ heads: 2 })],
    ],
    [expect.any(Number), expect.any(Number)],
    true,
  ]);
  // Editors find what each import gives.
  const types = readFileSync(path.join(root, "tfc-env.d.ts"), "utf8");
  expect(types).toContain('declare module "*/model/dynamo/model.onnx?tfc" {');
  expect(types).toContain("readonly input_ids: Int64;");
});

test("a graph whose inputs have defaults takes what they are fed", async () => {
  const root = app({
    "main.js": [
      `import model from "./model/dynamo/model.onnx?tfc&no-adapters&last-logits";`,
      `const session = await model.createSession();`,
      `const feed = (dtype, dims, data) => ({ dtype, dims, data });`,
      `const ids = feed("int64", [1, 3], BigInt64Array.of(5n, 6n, 7n));`,
      `const caches = session.inputs.filter(({ name }) => /past/.test(name));`,
      `const past = caches.map(({ name, dims }) => [name, feed("float", [1, dims[1], 0, dims[3]], new Float32Array(0))]);`,
      `const own = { input_ids: ids, attention_mask: feed("int64", [1, 3], BigInt64Array.of(1n, 1n, 1n)),`,
      `  position_ids: feed("int64", [1, 3], BigInt64Array.of(0n, 1n, 2n)) };`,
      `const known = new Set(session.inputs.map(({ name }) => name));`,
      `const feeds = Object.fromEntries([...Object.entries(own).filter(([name]) => known.has(name)), ...past]);`,
      `const one = await session.run(feeds);`,
      `const all = await session.run({ ...feeds, num_logits_to_keep: feed("int64", [], BigInt64Array.of(0n)) });`,
      `console.log(JSON.stringify([one.logits.dims[1], all.logits.dims[1]]));`,
    ].join("\n"),
  });
  expect(build("esbuild", root)).toMatchObject({ status: 0 });
  expect(run(root)).toEqual([1, 3]);
  await Promise.resolve();
});

test("weights of more than 16 MiB are copied beside the build, and a build that writes nothing refuses them", () => {
  const root = writer("?tfc&no-adapters");
  // The same weights, with room behind them.
  truncateSync(path.join(root, "model/dynamo/model.onnx.data"), 20 * 2 ** 20);
  for (const bundler of bundlers) {
    const out = path.join(root, bundler);
    expect([bundler, build(bundler, root, { out }).status]).toEqual([bundler, 0]);
    expect([bundler, run(root, `${bundler}/main.js`)]).toEqual([
      bundler,
      expect.objectContaining({ slots: 0 }),
    ]);
    expect(filesIn(out).filter((file) => statSync(path.join(out, file)).nlink > 1)).toEqual([]);
  }
  for (const bundler of ["rollup", "esbuild"] as const) {
    const { status, output } = build(bundler, root, { out: path.join(root, "none"), write: false });
    expect(status).not.toBe(0);
    expect(output).toContain("BUILD_CANNOT_EMIT");
  }
  expect(existsSync(path.join(root, "none"))).toBe(false);
});

test("a model that is no decoder's is refused as compile refuses it", async () => {
  const root = app({ "main.js": `import model from "./broken.onnx?tfc"; console.log(model.url);` });
  writeFileSync(path.join(root, "broken.onnx"), "not a model");
  const why = await compile({ input: path.join(root, "broken.onnx") }).catch((error: unknown) => error);
  const { output } = build("rollup", root);
  expect(output).toContain((why as Error).message.split("\n")[0]);
});
