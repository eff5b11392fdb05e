import { expect, it } from "@jest/globals";
import { compileCommand } from "../../compiler/cli/compile.ts";
import { passFlags } from "../../compiler/cli/help/pass-flags.ts";
import { passes } from "../../passes/index.ts";
import { tfcHere } from "../support/tfc.ts";

const known = new Set(compileCommand().options.map(({ long }) => long));

it.each(Object.entries(passFlags))("%s has these options, and the command these flags", (name, flags) => {
  const pass = passes.find((one) => one.name === name);
  for (const [option, texts] of Object.entries(flags)) {
    expect(Object.keys(pass?.options ?? {})).toContain(option);
    for (const flag of texts.split(", ")) expect(known).toContain(flag);
  }
});

it("tfc help names a pass's options as the command's flags", async () => {
  const { stdout } = await tfcHere("help", "lower-attention");
  const [options] = stdout.split("counters");
  expect(options).toMatch(/--for {2}the execution provider\n.*--kv .*\n.*--max-length /);
  expect(options).not.toContain("maxLength");
});

it("says what stands in braces in a message", async () => {
  const { stdout } = await tfcHere("help", "FILE_NOT_FOUND");
  expect(stdout).toMatch(/says +cannot open <file>\n/);
  expect(stdout).toContain("in <> is what each message names");
});
