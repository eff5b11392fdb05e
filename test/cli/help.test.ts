import { describe, expect, it } from "@jest/globals";
import type { Command } from "commander";
import { compileCommand } from "../../compiler/cli/compile.ts";
import { growCommand } from "../../compiler/cli/grow.ts";
import { withStreams } from "../../compiler/cli/streams.ts";
import { verifyCommand } from "../../compiler/cli/verify.ts";
import { codeTexts } from "../../compiler/diagnostics/code-texts.ts";

const commands: readonly (readonly [string, () => Command])[] = [
  ["compile", compileCommand],
  ["verify", verifyCommand],
  ["grow", growCommand],
];

function linesOf(command: Command, width: number): readonly string[] {
  return withStreams(command)
    .configureOutput({ getOutHelpWidth: () => width })
    .helpInformation()
    .split("\n");
}

describe.each(commands)("the help of %s", (_, make) => {
  it.each([40, 60, 80, 120])("fits a terminal of %d columns", (width) => {
    const long = linesOf(make(), width).filter((line) => line.length > width);
    // Words, and a flag with its value, are not broken.
    expect(long.filter((line) => !/^(Usage:| {2}-\S.*>$| *\S+$)/.test(line))).toEqual([]);
  });

  it("says the same at any width", () => {
    const words = (width: number): string => linesOf(make(), width).join(" ").replace(/\s+/g, " ");
    expect(words(40)).toBe(words(200));
  });
});

it("names of every message what it is about, also where a text computes with it", () => {
  for (const { code, what, wanted = "", found = "", fix = "" } of codeTexts())
    expect(`${code}: ${[what, wanted, found, fix].join(" | ")}`).not.toMatch(
      /NaN(?! or infinity)|undefined|\[object|\b\d{7}\b/,
    );
});
