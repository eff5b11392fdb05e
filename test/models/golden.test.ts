import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "@jest/globals";
import { inspection } from "../../compiler/compile/inspect.ts";
import { openDecoder } from "../../compiler/compile/open-decoder.ts";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { printModel } from "../../compiler/text/print.ts";
import { expectGolden } from "../support/golden.ts";
import { tfcHere } from "../support/tfc.ts";
import { newFamilies, samples } from "./samples.ts";

describe.each(samples)("$name", ({ name, file }) => {
  it(`${name}: what inspect --json prints`, () => {
    const record = JSON.stringify(inspection(openDecoder(file)), null, 2);
    expectGolden(`test/golden/${name}.inspect.json`, `${record}\n`);
  });

  it(`${name}: what dump prints of the compiled model`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "tfc-golden-"));
    try {
      const output = join(folder, "model.onnx");
      // Linked weights keep the places they have in the base, whatever the compiled graph's size.
      await compile({ input: file, output, weights: "link" });
      expectGolden(
        `test/golden/${name}.dump`,
        printModel(openModel(output, new Sink()).model, { elide: true }),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

it("new-families: what inspect prints", async () => {
  const texts: string[] = [];
  for (const { name, file } of newFamilies) {
    const { stdout, stderr } = await tfcHere("inspect", file);
    texts.push(`== ${name}\n${stderr}${stdout}`);
  }
  expectGolden("test/golden/new-families.inspect.txt", texts.join("\n"));
});
