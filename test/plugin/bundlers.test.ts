import { expect, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compile } from "../../compiler/index.ts";
import { loadModel } from "../../runtime/index.ts";
import { build, bundlers, QUERY, run, writer } from "./app.ts";

const root = writer();

/** What tfc's own runtime gives of the same compiled graph. */
async function wanted(): Promise<{ readonly ids: readonly number[] }> {
  const output = path.join(root, "own/model.onnx");
  const input = path.join(root, "model/dynamo/model.onnx");
  await compile({
    input,
    output,
    adapter: "lora",
    settings: { rank: 4 },
    residence: "inputs",
    weights: "link",
  });
  for (const name of ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"])
    copyFileSync(path.join(root, "model", name), path.join(root, "own", name));
  const model = await loadModel(output, { device: "cpu" });
  try {
    const { ids, text } = await model.generate({ prompt: "It is a truth", maxNewTokens: 12 }).result();
    return { ...{ ids, text }, inputs: model.inputs.length } as { readonly ids: readonly number[] };
  } finally {
    await model.close();
  }
}

const own = wanted();

test.each(bundlers)("an app that %s builds for Node writes what the runtime writes", async (bundler) => {
  const out = path.join(root, bundler);
  expect(build(bundler, root, { out })).toMatchObject({ status: 0 });
  // Twelve LoRA, beside attention's q and v of six layers.
  expect(run(root, `${bundler}/main.js`)).toEqual({ ...(await own), slots: 12 });
});

test.each(["webpack", "rspack", "esbuild"] as const)(
  "an app that %s builds finds its files where the cache is reached by a symbolic link",
  async (bundler) => {
    const linked = writer();
    mkdirSync(path.join(linked, "elsewhere"));
    symlinkSync(path.join(linked, "elsewhere"), path.join(linked, "node_modules/.cache"));
    expect(build(bundler, linked)).toMatchObject({ status: 0 });
    expect(run(linked)).toMatchObject({ ids: (await own).ids });
  },
);

test.each(["rollup", "esbuild", "webpack", "rspack"])(
  "%s that builds again leaves no weights of a model as it was",
  (bundler) => {
    const script = path.join(import.meta.dirname, "rebuild-app.mjs");
    const { stdout, stderr } = spawnSync(process.execPath, [script, bundler, writer("?tfc&no-adapters")], {
      encoding: "utf8",
    });
    expect(stdout === "" ? stderr : JSON.parse(stdout)).toEqual([[20], [21]]);
  },
);

test("esbuild's CommonJS finds its files, too", async () => {
  const lines = [
    `import model from "./model/dynamo/model.onnx${QUERY}";`,
    `void model.createSession().then(async (session) => {`,
    `  const { ids } = await session.generate({ prompt: "It is a truth", maxNewTokens: 12 }).result();`,
    `  console.log(JSON.stringify(ids));`,
    `});`,
  ];
  writeFileSync(path.join(root, "common.js"), lines.join("\n"));
  const out = path.join(root, "cjs");
  const built = build("esbuild", root, { out, format: "cjs", entry: "common.js" });
  expect(built).toMatchObject({ status: 0 });
  writeFileSync(path.join(out, "package.json"), '{ "type": "commonjs" }');
  expect(run(root, "cjs/common.js")).toEqual((await own).ids);
});
