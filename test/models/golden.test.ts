import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { inspection } from "../../compiler/compile/inspect.ts";
import { openDecoder } from "../../compiler/compile/open-decoder.ts";
import { compile, type CompileReport } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { printModel } from "../../compiler/text/print.ts";
import "../../compiler/testing/jest.ts";
import { temporaryFolder } from "../support/folder.ts";
import { expectGolden } from "../support/golden.ts";
import { tfcHere } from "../support/tfc.ts";
import { newFamilies, samples } from "./samples.ts";

const folder = temporaryFolder();

/** Samples of which names, metadata and the places of weights are held, too, as `dump` prints them. */
const NAMED = "austen-llama-";

/** Linked weights keep the places they have in the base, whatever the compiled graph's size. */
function compiled(input: string): Promise<CompileReport> {
  return compile({ input, output: join(folder, "model.onnx"), weights: "link" });
}

describe.each(samples)("$name", ({ name, file }) => {
  it(`${name}: what inspect --json prints`, () => {
    const record = JSON.stringify(inspection(openDecoder(file)), null, 2);
    expectGolden(`test/golden/${name}.inspect.json`, `${record}\n`);
  });

  it(`${name}: the graph that it is compiled to`, async () => {
    expect(await compiled(file)).toMatchGoldenGraph(name, { folder: "../golden" });
  });
});

it.each(samples.filter(({ name }) => name.startsWith(NAMED)))(
  "$name: what dump prints of the compiled model",
  async ({ name, file }) => {
    const { model } = openModel((await compiled(file)).output, new Sink());
    expectGolden(`test/golden/${name}.dump`, printModel(model, { elide: true }));
  },
);

it("new-families: what inspect prints", async () => {
  const texts: string[] = [];
  for (const { name, file } of newFamilies) {
    const { stdout, stderr } = await tfcHere("inspect", file);
    texts.push(`== ${name}\n${stderr}${stdout}`);
  }
  expectGolden("test/golden/new-families.inspect.txt", texts.join("\n"));
});
