/**
 * Takes the picture of the report that README.md and docs/report.md show, docs/report.png: `npm run docs:picture`. Needs
 * a Chromium: that of CHROMIUM, or /usr/bin/chromium.
 */
/* global document, NodeFilter -- of the page */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

process.chdir(resolve(import.meta.dirname, ".."));
const base = "samples/models/austen-llama/dynamo/model.onnx";
const folder = mkdtempSync(join(tmpdir(), "tfc-picture-"));
// The page shows the model's path as it was given: without the folder of this run.
const tfc = (...args) =>
  execFileSync(process.execPath, [resolve("bin/tfc.js"), ...args, "--quiet"], { cwd: folder });
try {
  tfc("compile", resolve(base), "-o", "out/austen/model.onnx");
  tfc("report", "out/austen/model.onnx", resolve(base), "-o", "report.html");
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage({ viewport: { width: 1240, height: 850 }, colorScheme: "light" });
    await page.goto(pathToFileURL(join(folder, "report.html")).href);
    await page.waitForSelector(".graph .node");
    // The base lies where this checkout does, which says nothing to a reader.
    await page.evaluate(
      ([whole, short]) => {
        const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(whole, short);
      },
      [resolve(base), base],
    );
    await page.screenshot({ path: "docs/report.png" });
  } finally {
    await browser.close();
  }
} finally {
  rmSync(folder, { recursive: true });
}
