import { describe, expect, test } from "@jest/globals";
import { copyFileSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Page } from "playwright-core";
import { compile } from "../../compiler/index.ts";
import { loadModel } from "../../runtime/index.ts";
import { app, build, enlarge, filesIn } from "./app.ts";
import { noBrowser, noWebGpu, open, served } from "./served.ts";

const samples = path.resolve(import.meta.dirname, "../../samples");
const trained = path.join(samples, "models/austen-llama/adapters.safetensors");
const QUERY = "?tfc&adapter=scalarlm&adapters=inputs";

/** The sample page, in a project of its own. */
function pageApp(query = QUERY): string {
  const root = app({});
  cpSync(path.join(samples, "web"), root, { recursive: true });
  copyFileSync(trained, path.join(root, "model/adapters.safetensors"));
  const main = readFileSync(path.join(samples, "web/main.js"), "utf8");
  writeFileSync(
    path.join(root, "main.js"),
    `${main.replaceAll("../models/austen-llama/", "./model/").replace(QUERY, query)}\nwindow.model = model;\n`,
  );
  return root;
}

async function written(page: Page, adapter: string): Promise<readonly number[]> {
  await page.selectOption("select", adapter);
  await page.evaluate("delete document.querySelector('output').dataset.ids");
  await page.click("button:enabled");
  await page.waitForSelector("output[data-ids]");
  return ((await page.getAttribute("output", "data-ids")) ?? "").split(",").map(Number);
}

/** What tfc's own runtime writes with the same graph, in onnxruntime-node. */
async function wanted(root: string): Promise<readonly (readonly number[])[]> {
  const output = path.join(root, "own/model.onnx");
  const input = path.join(root, "model/dynamo/model.onnx");
  await compile({ input, output, adapter: "scalarlm", residence: "inputs", weights: "link" });
  for (const name of ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"])
    copyFileSync(path.join(root, "model", name), path.join(root, "own", name));
  const model = await loadModel(output, { device: "cpu", adapters: { trained } });
  try {
    const request = { prompt: "It is a truth universally acknowledged", maxNewTokens: 40 };
    const base = await model.generate(request).result();
    const adapted = await model.generate({ ...request, adapter: "trained" }).result();
    return [base.ids, adapted.ids, base.ids];
  } finally {
    await model.close();
  }
}

const inBrowser = noBrowser === null ? describe : describe.skip;
const why = await noWebGpu();
const onWebGpu = why === null ? test : test.skip;

inBrowser(`a page${noBrowser === null ? "" : ` (skipped: ${noBrowser})`}`, () => {
  test.each(["built", "dev"] as const)(
    "that is %s writes what the runtime writes, with an adapter swapped live",
    async (mode) => {
      const root = pageApp();
      const page = await open(await served(root, mode));
      const ids: (readonly number[])[] = [];
      for (const adapter of ["", "trained", ""]) ids.push(await written(page, adapter));
      expect(ids).toEqual(await wanted(root));
      expect(ids[0]).not.toEqual(ids[1]);
    },
  );

  test.each(["esbuild", "rolldown", "webpack"] as const)(
    "that %s builds has its model inline, and the WebAssembly that runs it beside",
    async (bundler) => {
      const root = pageApp(`${QUERY}&inline&for=cpu`);
      // Imports with ?url are vite's.
      const main = readFileSync(path.join(root, "main.js"), "utf8");
      writeFileSync(
        path.join(root, "main.js"),
        main.replace(/^import trained .*$/m, 'const trained = "adapters.safetensors";'),
      );
      expect(build(bundler, root, { target: "browser" })).toMatchObject({ status: 0 });
      const out = path.join(root, "out");
      copyFileSync(path.join(root, "index.html"), path.join(out, "index.html"));
      copyFileSync(trained, path.join(out, "adapters.safetensors"));
      const ids: (readonly number[])[] = [];
      const page = await open(await served(root, "placed"));
      for (const adapter of ["", "trained", ""]) ids.push(await written(page, adapter));
      expect(ids).toEqual(await wanted(root));
      expect(filesIn(out).filter((file) => file.includes(".onnx"))).toEqual([]);
      expect(filesIn(out).filter((file) => file.endsWith(".wasm"))).toHaveLength(1);
    },
  );

  test("finds a graph that does not go through the bundler", async () => {
    const root = pageApp();
    enlarge(root);
    const page = await open(await served(root, "built"));
    expect(await written(page, "")).toHaveLength(40);
    expect(filesIn(path.join(root, "out"))).toContainEqual(expect.stringMatching(/\.onnx\.files\.json$/));
  });

  onWebGpu(
    `writes the same on WebGPU, with an adapter swapped live${why === null ? "" : ` (skipped: ${why})`}`,
    async () => {
      const root = pageApp(`${QUERY}&for=webgpu`);
      // It says how many positions there are: cosines and sines are rows of constants then.
      copyFileSync(path.join(root, "model/config.json"), path.join(root, "model/dynamo/config.json"));
      const tokens = 6;
      const page = await open(`${await served(root, "built")}?tokens=${tokens}`);
      const ids: (readonly number[])[] = [];
      for (const adapter of ["", "trained", ""]) ids.push(await written(page, adapter));
      expect(ids).toEqual((await wanted(root)).map((all) => all.slice(0, tokens)));
      const [graph] = filesIn(path.join(root, "out")).filter((file) => file.endsWith(".onnx"));
      expect(readFileSync(path.join(root, "out", graph ?? ""), "latin1")).toContain("rotary_cos");
      // Three prompts, and each token but the last of them.
      expect(await page.evaluate("window.submitted")).toBeGreaterThan(3 * tokens);
      // Of a model for WebGPU there is no other onnxruntime in the build.
      const wasm = filesIn(path.join(root, "out")).filter((file) => file.endsWith(".wasm"));
      expect(wasm).toEqual([expect.stringContaining("asyncify")]);
    },
    200_000,
  );

  test("in development shows the compiler's message over it, and comes back when the model is there", async () => {
    const root = pageApp("?tfc&adapter=scalarlm&adapters=inputs&rank=0");
    const page = await open(await served(root, "dev"));
    const overlay = page.locator("vite-error-overlay");
    const says = async (text: string): Promise<void> => {
      await overlay.getByText(text).first().waitFor();
    };
    await says("OPTION_OUT_OF_RANGE");
    await says("fix: correct rank");
    const main = path.join(root, "main.js");
    const text = readFileSync(main, "utf8");
    writeFileSync(main, text.replace("&rank=0", "").replace("/model.onnx", "/gone.onnx"));
    await says("FILE_NOT_FOUND");
    await says(path.join(root, "model/dynamo/gone.onnx"));
    writeFileSync(main, text.replace("&rank=0", ""));
    await page.waitForSelector("button:enabled");
    await overlay.waitFor({ state: "detached" });
  });

  test.each(["json", "ts"])("in development is loaded again when tfc.config.%s changes", async (form) => {
    const root = pageApp("?tfc");
    const config = (rank: number): void => {
      const adapters = [{ kind: "scalarlm", settings: { rank } }];
      const text = JSON.stringify({ adapters, residence: "inputs" });
      writeFileSync(
        path.join(root, `tfc.config.${form}`),
        form === "json" ? text : `export default ${text};`,
      );
    };
    config(4);
    const page = await open(await served(root, "dev"));
    await page.waitForSelector("button:enabled");
    const rank = (): Promise<unknown> => page.evaluate("window.model.adapters[0].settings.rank");
    expect(await rank()).toBe(4);
    config(8);
    await page.waitForFunction("window.model?.adapters[0].settings.rank === 8");
    await page.waitForSelector("button:enabled");
    // A configuration that cannot be run is shown over the page, until it can.
    writeFileSync(path.join(root, `tfc.config.${form}`), "export default { adapters: nothing };");
    await page.locator("vite-error-overlay").getByText("CONFIG_INVALID").first().waitFor();
    config(2);
    await page.waitForFunction("window.model?.adapters[0].settings.rank === 2");
  });
});
