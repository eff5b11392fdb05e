import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { explain } from "../../compiler/compile/explain.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";
import { temporaryFolder } from "../support/folder.ts";
import { largeModels } from "../support/large-models.ts";
import { superlinear } from "../support/steps.ts";

const folder = temporaryFolder();

/** What a model is made of first; steps are compared with those of twice as much. */
const SIZE = 40;

interface Prepared {
  readonly text: string;
  readonly file: string;
  readonly output: string;
}

function prepare(name: string, n: number): Prepared {
  const text = (largeModels[name] ?? (() => ""))(n);
  const inside = path.join(folder, name.replaceAll(/\W+/g, "-"), String(n));
  mkdirSync(inside, { recursive: true });
  const file = path.join(inside, "model.onnx");
  if (!existsSync(file)) writePieces(file, emitModel(parseModel(text)).pieces);
  writeFileSync(path.join(inside, "w.bin"), Buffer.alloc(4096, 1));
  return { text, file, output: path.join(inside, "out.onnx") };
}

/** A refusal is an answer, too. */
async function compiled(options: Parameters<typeof compile>[0]): Promise<void> {
  try {
    await compile(options);
  } catch (error) {
    if (!(error instanceof TfcError) || error.exitCode !== 1) throw error;
  }
}

const commands: Readonly<Record<string, (prepared: Prepared) => unknown>> = {
  "printed and read": ({ text }) => printModel(parseModel(text)),
  explained: ({ file }) => [inspect(file), explain(file)],
  compiled: async ({ file, output }) => {
    await compiled({ input: file, output, adapters: false });
    await compiled({
      input: file,
      output,
      entries: [{ kind: "scalarlm" }, { kind: "lora", settings: { rank: 1 } }],
    });
  },
};

describe.each(Object.keys(largeModels))("%s", (name) => {
  it.each(Object.keys(commands))("are %s in steps in proportion to their number", async (command) => {
    const grown = await superlinear(SIZE, (n) => prepare(name, n), commands[command] ?? (() => null));
    expect(grown).toEqual([]);
  });
});
