import { afterAll } from "@jest/globals";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import path from "node:path";
import type { Browser, Page } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";

/** Why no page is opened here; null where one can be. */
export const noBrowser = existsSync(CHROMIUM) ? null : `${CHROMIUM} is not there`;

const children: ChildProcess[] = [];
let browser: Browser | undefined;

afterAll(async () => {
  await browser?.close();
  for (const child of children) child.kill();
});

/** Serves an app, as built or in development. @returns where it is */
export async function served(root: string, mode: "dev" | "built", plugin: object = {}): Promise<string> {
  const settings = JSON.stringify({ root, mode, plugin });
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "serve-app.mjs"), settings], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith("http")) return line;
  throw new Error(`the server of ${root} ended`);
}

/** A page of Chromium. */
export async function open(url: string): Promise<Page> {
  if (browser === undefined) {
    const { chromium } = await import("playwright-core");
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  }
  const page = await browser.newPage();
  page.setDefaultTimeout(100_000);
  await page.goto(url);
  return page;
}
