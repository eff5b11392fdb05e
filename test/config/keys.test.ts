import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { configKeys, configOf } from "../../compiler/config/read.ts";

it("the guide lists every key of a configuration, and no other", () => {
  const guide = readFileSync("docs/guide.md", "utf8");
  const section = /^### A configuration\n(.*?)^## /ms.exec(guide)?.[1] ?? "";
  const cells = section.split("\n").flatMap((line) => /^\| (`.*?) *\|/.exec(line)?.[1] ?? []);
  const listed = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, key]) => key));
  expect(listed.toSorted()).toEqual(configKeys.toSorted());
});

it.each([
  ["logitRows", 'write lastLogits: "rows", if that is meant'],
  ["entries", "write adapters, if that is meant"],
  ["ioType", "write ioDtype, if that is meant"],
  ["zebra", "correct the configuration"],
])("says of the key %s what is meant", (key, fix) => {
  expect(() => configOf({ [key]: true }, "tfc.config.json")).toThrow(`fix: ${fix}; docs/guide.md`);
});
