import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfc, tfcHere } from "../support/tfc.ts";
import { info, moveOut, node, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const root = temporaryFolder();
let count = 0;

/** A folder with the tiny decoder in it; q_proj lies in weights.bin. */
function fresh(): { folder: string; file: string } {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  const model = tinyDecoder();
  writeFileSync(path.join(folder, "weights.bin"), moveOut(model, "q_proj", { location: "weights.bin" }));
  return { folder, file: writeModel(folder, "model.onnx", model) };
}

describe("tfc compile", () => {
  it("prints a table of what it did on stdout, and nothing else anywhere", () => {
    const { folder } = fresh();
    const { status, stdout, stderr } = tfc(["compile", "model.onnx"], folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(
      new RegExp(
        [
          "^blocks {6}1 of 1 attention, 1 of 1 MLP matched",
          "adapters {4}2 scalarlm",
          "parameters {2}[\\d,]+ added \\(\\d+\\.\\d\\d% of the base\\)",
          "files {7}model.tfc.adapters.safetensors {2}\\d+\\.\\d kB",
          " {12}model.tfc.onnx {2}\\d+\\.\\d kB",
          "time {8}\\d+ ms\n$",
        ].join("\n"),
      ),
    );
    expect(filesIn(folder)).toEqual([
      "model.onnx",
      "model.tfc.adapters.safetensors",
      "model.tfc.onnx",
      "weights.bin",
    ]);
  });

  it("prints one JSON object with --json", () => {
    const { folder } = fresh();
    const { status, stdout, stderr } = tfc(["compile", "model.onnx", "-o", "out/m.onnx", "--json"], folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    const report = JSON.parse(stdout) as { passes: { pass: string }[]; parameters: Record<string, number> };
    const out = path.join(folder, "out");
    expect(report).toEqual({
      input: "model.onnx",
      output: path.join(out, "m.onnx"),
      attention: { matched: 1, seen: 1 },
      mlp: { matched: 1, seen: 1 },
      kinds: { scalarlm: 2 },
      residence: "baked",
      replaced: 0,
      overrides: 0,
      packed: 0,
      quantized: 0,
      adapters: 2,
      parameters: expect.anything(),
      files: ["m.base/weights.bin", "m.adapters.safetensors", "m.onnx"].map((name) => path.join(out, name)),
      passes: expect.anything(),
      diagnostics: [],
      time: expect.any(Number),
    });
    // Two sites, each with k [4, 8], v [4, 8 · 32] and p [32, 8].
    expect(report.parameters["added"]).toBe(2 * (4 * 8 + 4 * 8 * 32 + 32 * 8));
    const { added = 0, base = 0, percent = 0 } = report.parameters;
    expect(percent).toBeCloseTo((100 * added) / base, 9);
    expect(report.passes.map(({ pass }) => pass)).toEqual(
      expect.arrayContaining(["outline-attention", "outline-mlp", "inject-adapters"]),
    );
  });

  it("compiles to what computes the same, in the same folder and in a new one", () => {
    const { folder } = fresh();
    expect(tfc(["compile", "model.onnx"], folder).status).toBe(0);
    expect(tfc(["compile", "model.onnx", "-o", "a/new/one.onnx"], folder).status).toBe(0);
    for (const output of ["model.tfc.onnx", "a/new/one.onnx"]) {
      const { status, stdout } = tfc(["verify", "model.onnx", output, "--json"], folder);
      expect(status).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ same: true, levels: [{ exact: true }, { exact: true }] });
    }
  });
});

describe("options of compile", () => {
  it.each([
    ["mlp", ["model.layers.0.mlp"]],
    ["attn", ["model.layers.0.self_attn"]],
    ["attn,mlp", ["model.layers.0.self_attn", "model.layers.0.mlp"]],
    ["mlp, attn", ["model.layers.0.self_attn", "model.layers.0.mlp"]],
  ])("--sites %s", async (sites, names) => {
    const { folder, file } = fresh();
    const { status, stdout } = await tfcHere("compile", file, "--sites", sites, "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ adapters: names.length });
    const { tensors } = readSafetensors(path.join(folder, "model.tfc.adapters.safetensors"));
    const leaves = names.flatMap((name) => ["k", "v", "p"].map((leaf) => `${name}.tokenformer_${leaf}`));
    expect([...tensors.keys()].sort()).toEqual(leaves.sort());
  });

  it("--heads and --rank give the leaves their shapes, and the files say so", async () => {
    const { folder, file } = fresh();
    const { status } = await tfcHere("compile", file, "--heads", "2", "--rank", "3", "--sites", "mlp");
    expect(status).toBe(0);
    const { tensors, metadata } = readSafetensors(path.join(folder, "model.tfc.adapters.safetensors"));
    expect([...tensors].map(([name, { shape, dtype }]) => [name.split("_").pop(), shape, dtype])).toEqual([
      ["k", [2, 8], "float"],
      ["v", [2, 24], "float"],
      ["p", [3, 8], "float"],
    ]);
    expect(metadata.get("format")).toBe("pt");
    const about = JSON.parse(metadata.get("tfc.adapter") ?? "{}") as object;
    expect(about).toEqual({
      version: 1,
      parts: [{ kind: "scalarlm", settings: { heads: 2, rank: 3 }, sites: ["model.layers.0.mlp"] }],
    });
    const dumped = await tfcHere("dump", path.join(folder, "model.tfc.onnx"));
    expect(dumped.stdout).toContain("ScalarlmAdapter");
  });

  it("--seed gives the same bytes again, and others for another seed", async () => {
    const { folder, file } = fresh();
    const run = async (name: string, seed: string): Promise<Buffer[]> => {
      await tfcHere("compile", file, "-o", path.join(folder, name, "m.onnx"), "--seed", seed);
      return ["m.onnx", "m.adapters.safetensors"].map((one) => readFileSync(path.join(folder, name, one)));
    };
    const [first, again, other] = [await run("a", "5"), await run("b", "5"), await run("c", "6")];
    expect(again).toEqual(first);
    expect(other[1]).not.toEqual(first[1]);
    expect(other[0]).toEqual(first[0]);
  });

  it("a site's first weights do not depend on the other sites", async () => {
    const { folder, file } = fresh();
    const leaf = (output: string): Buffer => {
      const at = path.join(folder, output);
      const found = readSafetensors(at).tensors.get("model.layers.0.mlp.tokenformer_v");
      const bytes = readFileSync(at);
      return bytes.subarray(found?.offset, (found?.offset ?? 0) + (found?.length ?? 0));
    };
    await tfcHere("compile", file, "-o", path.join(folder, "both.onnx"));
    await tfcHere("compile", file, "-o", path.join(folder, "mlp.onnx"), "--sites", "mlp");
    expect(leaf("both.adapters.safetensors")).toEqual(leaf("mlp.adapters.safetensors"));
    expect(leaf("mlp.adapters.safetensors").some((byte) => byte !== 0)).toBe(true);
  });

  it("--dump-after prints the graph on stderr, and stdout stays the result", () => {
    const { folder } = fresh();
    const { status, stdout, stderr } = tfc(
      ["compile", "model.onnx", "--dump-after", "outline-mlp", "--json"],
      folder,
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ adapters: 2 });
    expect(stderr).toContain("tfc.SelfAttention");
    expect(stderr).toContain("tfc.Mlp");
    expect(stderr).not.toContain("ScalarlmAdapter");
  });

  it.each([
    [["--dump-after", "override-weights"], "--load that brings weights of the base"],
    [["--dump-after", "replace-linears"], "--replace"],
    [["--dump-after", "lower-paged-attention"], "--lower-paged-attention"],
    [["--dump-after", "inject-adapters", "--no-adapters"], "adapters"],
  ])("%j is refused: the pass does not run", async (args, needs) => {
    const { folder, file } = fresh();
    const message = await refused(folder, "compile", file, ...args);
    expect(message).toContain(`error OPTION_UNUSED: ${args[0] ?? ""} ${args[1] ?? ""} would have no effect`);
    expect(message).toContain(needs);
  });

  it("tells of warnings before the error that ends it, as text and as JSON", async () => {
    const { folder, file } = fresh();
    rmSync(path.join(folder, "weights.bin"));
    const args = [
      "compile",
      file,
      "-o",
      path.join(folder, "x.onnx"),
      "--allow-missing-weights",
      "--sites",
      "mlp@9",
    ];
    const said = await refused(folder, ...args);
    expect(said).toMatch(/warning EXTERNAL_DATA_ABSENT: [^]*error SITE_EMPTY: /);
    const { stdout } = await tfcHere(...args, "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: "SITE_EMPTY", warnings: [{ code: "EXTERNAL_DATA_ABSENT", severity: "warning" }] },
    });
  });

  it("--strict makes a warning an error, and writes nothing", async () => {
    const { folder } = fresh();
    const model = tinyDecoder();
    // A second attention whose queries are no projection.
    model.graph?.node?.push(
      node("MatMul", ["v_heads", "k_heads"], "more_scores"),
      node("Softmax", ["more_scores"], "more_probabilities", { axis: -1 }),
      node("MatMul", ["more_probabilities", "v_heads"], "more"),
    );
    model.graph?.output?.push(info("more", 1, ["batch", 2, "sequence", 4]));
    const file = writeModel(folder, "model.onnx", model);
    const before = filesIn(folder);
    const strict = await tfcHere("compile", file, "--strict");
    expect(strict).toMatchObject({ status: 1, stdout: "" });
    expect(strict.stderr).toMatch(/error STRICT: [^]*matched 1 of 2 attention blocks/);
    expect(filesIn(folder)).toEqual(before);
    const lenient = await tfcHere("compile", file);
    expect(lenient.status).toBe(0);
    expect(lenient.stderr).toMatch(/warning ATTENTION_UNMATCHED: matched 1 of 2 attention blocks/);
    expect(lenient.stdout).toContain("1 of 2 attention");
  });
});

describe("the base's files", () => {
  it("are never changed", () => {
    const { folder } = fresh();
    const state = (): unknown[] =>
      ["model.onnx", "weights.bin"].map((name) => {
        const { ino, mtimeMs, size } = statSync(path.join(folder, name));
        return { ino, mtimeMs, size, bytes: readFileSync(path.join(folder, name)) };
      });
    const before = state();
    for (const mode of ["link", "copy", "inline"]) {
      for (const output of [`${mode}.onnx`, `${mode}/m.onnx`]) {
        expect(tfc(["compile", "model.onnx", "-o", output, "--weights", mode], folder).status).toBe(0);
      }
    }
    expect(state()).toEqual(before);
  });

  it("may be given through a symbolic link from another folder", () => {
    const { folder } = fresh();
    const here = path.join(root, `here-${count}`);
    mkdirSync(here);
    symlinkSync(path.join(folder, "model.onnx"), path.join(here, "model.onnx"));
    writeFileSync(path.join(here, "weights.bin"), readFileSync(path.join(folder, "weights.bin")));
    expect(tfc(["compile", "model.onnx"], here).status).toBe(0);
    expect(tfc(["verify", "model.onnx", "model.tfc.onnx"], here).status).toBe(0);
  });
});
