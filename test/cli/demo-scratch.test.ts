import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";

const root = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/train");

it("shows in the demo from nothing that growing changes no loss, and every size in a plot", () => {
  const data = path.join(root, "text.txt");
  writeFileSync(data, readFileSync(path.join(samples, "pride.txt"), "utf8").slice(0, 9000));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(samples, "scratch.mjs"), "--out", root, "--data", data, "--tokens", "4", "--epochs", "1"],
    { encoding: "utf8" },
  );
  const progress = /^(?:loading the graph|step \d+\/\d+ .*|saved .*)\n/gm;
  expect(stderr.replace(/^.*BASE_UNKNOWN.*\n.*\n/gm, "").replace(progress, "")).toBe("");
  expect(status).toBe(0);
  const growths = [...stdout.matchAll(/growing to [24]x: loss (\S+) before, (\S+) after/g)];
  expect(growths).toHaveLength(2);
  for (const [, before, after] of growths) expect(Number(after)).toBeCloseTo(Number(before), 4);
  const rows = [
    ...stdout.matchAll(/^(?:[124]x from nothing|grown to [24]x) +([\d,]+) +([\d,]+) +\S+ +(\S+)$/gm),
  ];
  expect(rows).toHaveLength(5);
  const [one, twice, twiceFresh, four, fourFresh] = rows.map((row) => row.slice(1));
  // Of one size as many parameters, and as many tokens read.
  expect(twice?.slice(0, 2)).toEqual(twiceFresh?.slice(0, 2));
  expect(four?.slice(0, 2)).toEqual(fourFresh?.slice(0, 2));
  expect(Number(four?.[2])).toBeLessThan(Number(one?.[2]));
  const plot = readFileSync(path.join(root, "growth.svg"), "utf8");
  expect(plot.match(/<path class="(?:grown|second|fourth)"/g)).toHaveLength(3);
  expect(plot).not.toMatch(/NaN|undefined/);
}, 300_000);
