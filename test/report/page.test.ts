import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { chromium, type Browser, type Page } from "playwright-core";
import { inspect } from "../../compiler/compile/inspect.ts";
import { compile } from "../../compiler/compile/compile.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { report } from "../../compiler/report/report.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { temporaryFolder } from "../support/folder.ts";
import { largeModels } from "../support/large-models.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const austen = "samples/models/austen-llama/dynamo/model.onnx";
const CHROMIUM = "/usr/bin/chromium";
const folder = temporaryFolder();
const why = existsSync(CHROMIUM) ? "" : ` (skipped: there is no ${CHROMIUM})`;
const inBrowser = why === "" ? describe : describe.skip;

function written(name: string, text: string): string {
  const file = path.join(folder, `${name}.onnx`);
  writePieces(file, emitModel(parseModel(text)).pieces);
  writeFileSync(path.join(folder, "w.bin"), Buffer.alloc(4096, 1));
  return file;
}

inBrowser(`a page in Chromium${why}`, () => {
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];
  const compiled = path.join(folder, "compiled", "model.onnx");
  let url: string;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith("file:")) problems.push(request.url());
    });
    await compile({ input: austen, output: compiled, adapter: "lora", sites: "q_proj,mlp" });
    const { output } = await report({ model: compiled, base: austen });
    url = pathToFileURL(output).href;
  }, 60_000);
  afterAll(async () => {
    await browser.close();
  });

  const open = async (hash = ""): Promise<void> => {
    await page.goto("about:blank");
    await page.goto(`${url}${hash}`);
    await page.waitForSelector("#viewer");
  };
  /** Waits until a part is shown. */
  const isAt = (name: string): Promise<void> =>
    page.locator(`#part .name:text-is("${name}")`).waitFor({ timeout: 10_000 });

  it("begins with the first layer, and every module can be clicked through", async () => {
    await open();
    await isAt("model.layers.0");
    expect(await page.locator(".tower .row:not(.end)").count()).toBe(6);
    await page.click(".tower .row:nth-of-type(5) .cell.attention");
    await isAt("model.layers.2.self_attn");
    expect(decodeURIComponent(new URL(page.url()).hash)).toBe("#model.layers.2.self_attn");
    expect(await page.locator(".graph .node").count()).toBeGreaterThan(20);
    // The adapter inside is drawn as one, and opens its function.
    await page.locator(".graph .node.adapter").first().dblclick();
    await isAt("tfc.LoraAdapter");
    await page.goBack();
    await page.click(".crumbs a >> nth=0");
    await isAt("main_graph");
    await page.click("text=Fit");
    await page.locator(".graph .node.layer").nth(4).click();
    await isAt("model.layers.4");
    await page.locator(".graph .node.mlp").click();
    await isAt("model.layers.4.mlp");
  });

  it("opens at a name that tfc dump prints, and says so of one that it does not", async () => {
    await open("#model.layers.3.mlp");
    await isAt("model.layers.3.mlp");
    await open("#model.layers.3.mlp.adapter");
    await isAt("model.layers.3.mlp.adapter");
    await open("#model.layers.1.self_attn.q_proj.lora_B.weight");
    await isAt("model.layers.1.self_attn");
    expect(await page.textContent(".details")).toContain("model.layers.1.self_attn.q_proj.lora_B.weight");
    await open("#nothing.of.this.name");
    await page.locator("main [role=status]", { hasText: "nothing.of.this.name" }).waitFor();
  });

  it("finds by name, from the keyboard alone", async () => {
    await open();
    await page.keyboard.press("/");
    await page.keyboard.type("layers.5 lora");
    await page.locator(".found [role=status]", { hasText: "found" }).waitFor();
    await page.keyboard.type("_B");
    await page.keyboard.press("Escape");
    await page.keyboard.type("layers.5.mlp");
    await page.keyboard.press("Enter");
    await isAt("model.layers.5.mlp");
    await page.focus(".graph svg");
    await page.keyboard.press("n");
    await page.waitForSelector(".details h4");
    const first = page.url();
    await page.keyboard.press("n");
    await page.waitForURL((next) => next.href !== first);
    const before = await page.getAttribute(".graph > svg", "viewBox");
    await page.keyboard.press("+");
    await page.locator(`.graph > svg:not([viewBox="${before ?? ""}"])`).waitFor();
  });

  it("is walked through by keys: modules in rows, into a module and out again", async () => {
    const focused = (): Promise<string> =>
      page.evaluate<string>(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent",
      );
    const chosen = (name: string): Promise<void> =>
      page.locator(".details h4 .name", { hasText: new RegExp(`^${name}$`) }).waitFor({ timeout: 10_000 });
    const press = async (...keys: readonly string[]): Promise<void> => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await open();
    // All modules are one stop, at the one that is shown.
    await press("Tab", "Tab", "Tab");
    expect(await focused()).toBe("layer 0");
    await press("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown");
    expect(await focused()).toMatch(/^layer 2, self_attn/);
    await press("End", "ArrowUp");
    expect(await focused()).not.toMatch(/^layer [0-4]/);
    await press("Home", "PageDown");
    expect(await focused()).toMatch(/lm_head|norm/);
    await press("Tab", "Shift+Tab");
    expect(await focused()).toMatch(/lm_head|norm/);
    // The first stop of all leads to the picture.
    await open("#model.layers.2");
    await press("Tab", "Enter");
    expect(await focused()).toMatch(/^Graph of model\.layers\.2:/);
    const ways = await page.evaluate<number>("history.length");
    // Modules are walked over, as nodes are, and none of them is opened.
    await press("n", "n");
    await chosen("model.layers.2.self_attn");
    await isAt("model.layers.2");
    await press("Enter");
    await isAt("model.layers.2.self_attn");
    expect(await focused()).toMatch(/^Graph of model\.layers\.2\.self_attn:/);
    await press("n", "n", "p");
    await page.waitForSelector(".details h4");
    await press("Escape");
    await page.waitForSelector(".details", { state: "detached" });
    await press("Escape");
    await isAt("model.layers.2");
    await chosen("model.layers.2.self_attn");
    expect(await focused()).toMatch(/^Graph of model\.layers\.2:/);
    await press("p");
    await chosen("model.layers.2.input_layernorm");
    await press("Escape", "Escape");
    await isAt("main_graph");
    await chosen("model.layers.2");
    // Ways back lead out of what was opened, and not over each node.
    expect(await page.evaluate<number>("history.length")).toBe(ways + 3);
  });

  it("leaves the search for what was found, and closes what it found when it is left", async () => {
    const focused = (): Promise<string | null> =>
      page.evaluate<string | null>(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.id",
      );
    await open();
    for (const times of [1, 2]) {
      await page.keyboard.press("/");
      await page.keyboard.type("layers.4.mlp");
      await page.keyboard.press("Enter");
      await isAt("model.layers.4.mlp");
      await page.waitForSelector(".graph svg:focus");
      expect([times, await focused()]).toEqual([
        times,
        expect.stringMatching(/^Graph of model\.layers\.4\.mlp:/),
      ]);
    }
    await page.keyboard.press("/");
    await page.keyboard.type("layers");
    for (let i = 0; i < 40; i++) await page.keyboard.press("ArrowDown");
    // What is chosen of a long list is in view.
    await page.waitForSelector("#found-40[aria-selected=true]");
    const isInView = await page.evaluate<boolean>(`(() => {
      const [list, one] = ["#found", "#found-40"].map((at) => document.querySelector(at).getBoundingClientRect());
      return one.top >= list.top - 1 && one.bottom <= list.bottom + 1;
    })()`);
    expect(isInView).toBe(true);
    await page.keyboard.press("Tab");
    expect(await page.locator(".found").isVisible()).toBe(false);
    expect(await page.evaluate<boolean>("document.activeElement.matches('.tower a')")).toBe(true);
  });

  it("finds projections by what they are called, whatever the exporter calls their nodes", async () => {
    await open();
    await page.fill("#search", "layers.3 down_proj");
    await page.locator(".found li", { hasText: "MatMul, down_proj in model.layers.3.mlp" }).click();
    await isAt("model.layers.3.mlp");
    expect(await page.textContent(".details")).toContain("float[352,128]");
    await open("#model.layers.1.self_attn.k_proj");
    await isAt("model.layers.1.self_attn");
    expect(await page.textContent(".details")).toMatch(/MatMul.*role ?k_proj.*float\[128,64\]/);
  });

  it("draws what adapters are fed at their call, and not as inputs of the layer", async () => {
    const output = path.join(folder, "fed", "model.onnx");
    await compile({ input: austen, output, adapter: "lora", sites: "q_proj,mlp", residence: "inputs" });
    await page.goto(pathToFileURL((await report({ model: output })).output).href);
    await page.waitForSelector(".graph .node");
    const ports = await page.locator(".graph .port .title").allTextContents();
    expect(ports.length).toBeGreaterThan(3);
    expect(ports.filter((text) => /lora|scaling/.test(text))).toEqual([]);
    expect(await page.textContent(".ports")).toContain("model.layers.0–5.mlp.lora_A.weight");
    const [shown = 0, whole = 1] = await page.evaluate<number[]>(
      "(() => { const svg = document.querySelector('.graph > svg'); return [svg.viewBox.baseVal.width, svg.getBBox().width]; })()",
    );
    expect(shown).toBeGreaterThanOrEqual(whole);
  });

  it("prints on white paper, all of it, also where the screen is dark", async () => {
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    await page.setViewportSize({ width: 700, height: 900 });
    await open();
    expect(await page.evaluate<string>("getComputedStyle(document.body).backgroundColor")).toBe(
      "rgb(255, 255, 255)",
    );
    const cut = await page.evaluate<string[]>(
      `[...document.querySelectorAll(".scroll, .tower")]
        .filter((one) => one.scrollWidth > one.clientWidth + 1 || getComputedStyle(one).overflowX !== "visible")
        .map((one) => one.getAttribute("aria-label"))`,
    );
    expect(cut).toEqual([]);
    await page.emulateMedia({ media: null, colorScheme: null });
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  it("breaks names behind their words on a telephone", async () => {
    await page.setViewportSize({ width: 400, height: 900 });
    await open();
    const cell = page.locator("section[aria-labelledby=sizes] th", { hasText: "post_attention" });
    expect((await cell.boundingBox())?.width).toBeGreaterThan(60);
    expect((await cell.boundingBox())?.height).toBeLessThan(80);
    const beyond = await page.evaluate<number>(
      "(() => { const one = document.querySelector('section[aria-labelledby=sizes] .scroll'); return one.scrollWidth - one.clientWidth; })()",
    );
    expect(beyond).toBeLessThanOrEqual(0);
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  it("shows what changed, with the numbers of the files", async () => {
    await open();
    const changes = await page.textContent("section[aria-labelledby=changes]");
    expect(changes).toContain("tfc.SelfAttention");
    expect(changes).toContain("lora at q_proj");
    const sizes = await page.textContent("section[aria-labelledby=sizes] tfoot");
    expect(sizes).toContain(inspect(compiled).parameters.toLocaleString("en"));
  });

  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  it.each(["light", "dark"] as const)("has nothing that axe finds, in %s", async (colorScheme) => {
    for (const [hash, width] of [
      ["", 1280],
      ["#model.layers.0.mlp", 400],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await open(hash);
      // The page allows no script but its own: this one comes through the debugger.
      await page.evaluate(axe);
      const violations = await page.evaluate(async () => {
        const { axe: runner } = globalThis as unknown as { axe: { run(): Promise<AxeResult> } };
        const found = await runner.run();
        return found.violations.map(
          ({ id, nodes }) =>
            `${id}: ${nodes
              .map(({ html }) => html)
              .join(" ")
              .slice(0, 300)}`,
        );
      });
      expect(violations).toEqual([]);
      expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    }
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  it("takes 80 layers: few bytes, and a picture at once", async () => {
    const { output, size } = await report({ model: written("deep", largeModels["layers"]?.(80) ?? "") });
    expect(size).toBe(statSync(output).size);
    expect(size).toBeLessThan(3e6);
    await page.goto(pathToFileURL(output).href);
    await page.waitForSelector(".graph .node");
    expect(await page.locator(".tower .row").count()).toBe(80);
    expect(await page.locator(".tower a:not([tabindex='-1'])").count()).toBe(1);
    const paint = await page.evaluate(
      () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
    );
    // A second on a machine of one's own; tests share theirs.
    expect(paint).toBeLessThan(4000);
    // What all layers read stands at each: no edge runs along the whole graph.
    await page.click(".crumbs a >> nth=0");
    await page.locator(".graph .node.layer").nth(79).waitFor({ state: "attached" });
    const [longest = Infinity, height = 0] = await page.evaluate<number[]>(
      `[Math.max(...[...document.querySelectorAll(".graph path.edge")].map((one) => one.getBBox().height)),
        document.querySelector(".graph > svg").getBBox().height]`,
    );
    expect(longest).toBeLessThan(height / 10);
  });

  it("shows in red what was not understood, and why", async () => {
    const text = (largeModels["layers"]?.(4) ?? "").replace(
      "MatMul (context2, o2)",
      "MatMul (context2, context2)",
    );
    const { output, matched } = await report({ model: written("missed", text) });
    expect(matched).toEqual({ attention: 3, mlp: 4 });
    await page.goto(pathToFileURL(output).href);
    await page.waitForSelector(".graph .node");
    expect(await page.textContent(".tower .missed")).toContain("not understood");
    expect(await page.textContent(".viewer .miss")).toContain("ATTENTION_OUTPUT_NOT_LINEAR");
    expect(await page.locator(".graph .missed").count()).toBe(1);
  });

  it("shows names that look like markup as names", async () => {
    const hostile = '</script><img src=x onerror="document.title=1"><!--';
    const model = tinyDecoder();
    const nodes = model.graph?.node ?? [];
    for (const node of nodes) node.name = `${hostile}${nodes.indexOf(node)}`;
    const [, second] = nodes;
    if (second?.output?.[0] !== undefined) second.name = `${hostile}&amp;`;
    const file = writeModel(folder, "hostile.onnx", model);
    const { output } = await report({ model: file });
    expect(readFileSync(output, "utf8")).not.toContain("</script><img");
    await page.goto(pathToFileURL(output).href);
    await page.waitForSelector(".graph .node");
    await page.fill("#search", "onerror");
    expect(await page.locator(".found li").count()).toBeGreaterThan(5);
    expect(await page.locator("img").count()).toBe(0);
    await page.locator(".found li").first().click();
    expect(await page.textContent(".details h4")).toContain("<img src=x");
    expect(await page.title()).toContain("report");
  });

  it("shows a graph without a decoder as it is, and says what it looks like", async () => {
    const text =
      '<ir_version: 10, opset_import: ["" : 21]>\ng (float[4] x) => (float[4] y) { a = Abs (x) y = Neg (a) }';
    const { output, refusal } = await report({ model: written("plain", text) });
    await page.goto(pathToFileURL(output).href);
    await page.waitForSelector(".graph .node");
    expect(await page.textContent(".overview .miss")).toContain(refusal);
    expect(await page.locator(".graph .node").count()).toBe(2);
    expect(await page.locator(".tower").count()).toBe(0);
  });

  it("said nothing on the console, and asked nothing of a network", () => {
    expect(problems).toEqual([]);
  });
});

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}
