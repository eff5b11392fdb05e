import { afterAll } from "@jest/globals";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import path from "node:path";
import type { Browser, Page } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";

/** Why no page is opened here; null where one can be. */
export const noBrowser = existsSync(CHROMIUM) ? null : `${CHROMIUM} is not there`;

/** WebGPU by SwiftShader, which computes it on the CPU: everywhere alike. */
const GPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

const children: ChildProcess[] = [];
let browser: Browser | undefined;

afterAll(async () => {
  await browser?.close();
  for (const child of children) child.kill();
});

/** Serves an app, in development, as vite builds it, or as another built it before. @returns where it is */
export async function served(
  root: string,
  mode: "dev" | "built" | "placed",
  plugin: object = {},
): Promise<string> {
  const settings = JSON.stringify({ root, mode, plugin });
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "serve-app.mjs"), settings], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith("http")) return line;
  throw new Error(`the server of ${root} ended`);
}

/** Why pages have no WebGPU here; null where they have. */
export async function noWebGpu(): Promise<string | null> {
  if (noBrowser !== null) return noBrowser;
  const page = await emptyPage();
  // Only pages that are secure have it, as those of this machine are.
  await page.route("http://localhost/", (route) => route.fulfill({ contentType: "text/html", body: "" }));
  await page.goto("http://localhost/");
  const found = await page.evaluate("navigator.gpu?.requestAdapter().then((adapter) => adapter !== null)");
  await page.close();
  return found === true ? null : "Chromium has no WebGPU here";
}

/** A page of Chromium. What it has a GPU do is counted. */
export async function open(url: string): Promise<Page> {
  const page = await emptyPage();
  await page.addInitScript(`
    window.submitted = 0;
    const { submit } = globalThis.GPUQueue?.prototype ?? {};
    if (submit !== undefined)
      GPUQueue.prototype.submit = function (...given) {
        window.submitted++;
        return submit.apply(this, given);
      };
  `);
  await page.goto(url);
  return page;
}

async function emptyPage(): Promise<Page> {
  if (browser === undefined) {
    const { chromium } = await import("playwright-core");
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", ...GPU] });
  }
  const page = await browser.newPage();
  page.setDefaultTimeout(100_000);
  return page;
}
