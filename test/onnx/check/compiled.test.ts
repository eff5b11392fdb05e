import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { checkModelFile } from "../../../compiler/onnx/check/check.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { onnxChecker, python } from "./python.ts";

const folder = temporaryFolder();
const root = path.resolve(import.meta.dirname, "../../../samples/models");
const samples = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => /[/\\](model|paged|opaque)\.onnx$/.test(file))
  .sort();

const kinds: readonly Partial<CompileOptions>[] = [
  { adapter: "scalarlm", sites: "mlp", settings: { heads: 2, rank: 2 } },
  { adapter: "lora", settings: { rank: 2 } },
  { adapter: "pattention", sites: "attn", settings: { tokens: 3 } },
];
const residences = ["baked", "inputs", "bank", "optional-inputs"] as const;

/** All twelve of the sample model; of every other graph three, each kind in another residence, all twelve in turn. */
function optionsOf(file: string, index: number): Partial<CompileOptions>[] {
  const lowered = /paged|opaque/.test(file) ? { lowerPagedAttention: true } : {};
  return kinds.flatMap((kind, k) =>
    residences
      .filter((_, r) => file.startsWith("austen-llama") || (k + index) % 4 === r)
      .map((residence) => ({
        ...kind,
        ...lowered,
        residence,
        ...(residence === "bank" ? { members: 2 } : {}),
      })),
  );
}

/** Problems in words: an adapted graph's nodes stand elsewhere than its base's. */
function problems(file: string): ReadonlySet<string> {
  return new Set(
    checkModelFile(file).map(({ code, what, found }) => `${code}: ${what}, found ${found ?? ""}`),
  );
}

const outputs: { readonly base: string; readonly output: string }[] = [];

describe("a compiled graph has nothing that the standard does not allow and its base has not", () => {
  it.each(samples.map((file, index) => [file, index] as const))("%s", async (file, index) => {
    const base = path.join(root, file);
    const known = problems(base);
    for (const [i, options] of optionsOf(file, index).entries()) {
      const output = path.join(folder, file, String(i), "model.onnx");
      await compile({ input: base, output, ...options }).catch((error: unknown) => {
        // A graph without such sites is compiled without adapters.
        if (!(error instanceof TfcError) || error.code !== "SITE_EMPTY") throw error;
        return compile({ input: base, output, adapters: false });
      });
      expect([...problems(output)].filter((one) => !known.has(one))).toEqual([]);
      outputs.push({ base, output });
    }
  });
});

const skipped = "SKIPPED, no Python with the onnx package: set TFC_PYTHON to one";
(python === null ? it.skip : it)(
  `onnx.checker accepts what it accepts of the bases${python === null ? ` (${skipped})` : ""}`,
  () => {
    const bases = [...new Set(outputs.map(({ base }) => base))];
    const ofBase = new Map(onnxChecker(bases).map((said, i) => [bases[i], said]));
    const said = onnxChecker(outputs.map(({ output }) => output));
    expect(outputs.length).toBeGreaterThan(samples.length);
    outputs.forEach(({ base, output }, i) => {
      // What one finds the other finds too.
      expect([output, said[i] === null]).toEqual([output, problems(output).size === 0]);
      if (ofBase.get(base) === null) expect([output, said[i]]).toEqual([output, null]);
    });
  },
);
