import { describe, expect, it } from "@jest/globals";
import { join } from "node:path";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { headSizes } from "../../compiler/compile/verify/head-sizes.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { checkModelFile } from "../../compiler/onnx/check/check.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { verify } from "../../runtime/verify/verify.ts";
import { temporaryFolder } from "../support/folder.ts";
import { onnxChecker, python } from "../onnx/check/python.ts";
import { newFamilies, samples } from "./samples.ts";

const folder = temporaryFolder();
const floats = [...samples, ...newFamilies].filter(({ name }) => !/fp16|bf16|paged/.test(name));

/** Steps of quantized activations, some of which half precision tips over. */
const COARSE = /quantized-(dynamic|static)|int4/;

/** What half precision makes of outputs, as a share of their largest element, in models of two to six layers. */
function shareOf(name: string): number {
  return COARSE.test(name) ? 0.1 : 0.006;
}

const cases = [
  { batch: 1, sequence: 5, past: 0 },
  { batch: 2, sequence: 1, past: 7 },
];

const ways: readonly Partial<CompileOptions>[] = [{}, { for: "cpu" }];
const written: { readonly base: string; readonly output: string }[] = [];

describe("samples in float16", () => {
  it("are many", () => {
    expect(floats.length).toBeGreaterThan(55);
  });

  it.each(floats)("compute about what $name does", async ({ name, file }) => {
    for (const [i, way] of ways.entries()) {
      const output = join(folder, `${name}.${i}.onnx`);
      const how = { ...way, adapters: false, weights: "inline" } as const;
      const report = await compile({ input: file, output, dtype: "fp16", ioDtype: "fp32", ...how });
      expect(report.attention).toEqual({ matched: report.attention.seen, seen: report.attention.seen });
      if (checkModelFile(file).length === 0) expect(checkModelFile(output)).toEqual([]);
      const { levels } = await verify(file, output, {
        levels: ["all"],
        share: shareOf(name),
        symbols: headSizes(file),
        cases,
      });
      expect([name, levels.map(({ same, worst }) => (same ? null : worst))]).toEqual([name, [null]]);
      expect(levels[0]?.exact).toBe(false);
    }
  });
});

describe.each(["fp16", "bf16"] as const)("samples in %s", (dtype) => {
  const type = { fp16: "float16", bf16: "bfloat16" }[dtype];

  it.each(floats)("have its type outside and inside: $name", async ({ name, file }) => {
    const output = join(folder, `${name}.${dtype}.onnx`);
    await compile({ input: file, output, dtype, adapters: false, weights: "inline" });
    const { model } = openModel(output, new Sink());
    const ports = [...model.graph.inputs, ...model.graph.outputs].map(({ type }) => asTensor(type)?.dtype);
    expect(ports.filter((one) => one === "float")).toEqual([]);
    expect(ports).toContain(type);
    expect(model.meta.get("tfc.dtype")).toBe(type);
    const wide = [...model.graph.initializers].filter(({ constant }) => constant?.dtype === "float");
    const matrices = wide.filter(
      ({ constant }) => (constant?.shape.length ?? 0) > 1 && (constant?.size ?? 0) > 128,
    );
    expect(matrices.map((value) => value.name)).toEqual([]);
    if (checkModelFile(file).length === 0) expect(checkModelFile(output)).toEqual([]);
    written.push({ base: file, output });
  });
});

const skipped = python === null ? " (SKIPPED, no Python with the onnx package: set TFC_PYTHON to one)" : "";
(python === null ? it.skip : it)(`onnx.checker accepts all of them${skipped}`, () => {
  expect(written.length).toBeGreaterThan(110);
  // It does not know onnxruntime's own ops, which some of the exports have.
  const before = onnxChecker(written.map(({ base }) => base));
  const said = onnxChecker(written.map(({ output }) => output));
  expect(said.filter((one, i) => one !== null && before[i] === null)).toEqual([]);
});
