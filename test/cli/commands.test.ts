import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { adapterKinds, optionsOfKind } from "../../compiler/adapters/index.ts";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfc, tfcHere } from "../support/tfc.ts";
import { info, node, nodeOf, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const model = writeModel(folder, "model.onnx", tinyDecoder());
const root = path.resolve(import.meta.dirname, "../..");

it("explain --layer says which layers there are", async () => {
  const message = await refused(folder, "explain", model, "--layer", "7");
  expect(message).toContain("error OPTION_OUT_OF_RANGE: --layer is out of range");
  expect(message).toContain("wanted a layer that has blocks: 0, found 7");
});

it.each([
  ["families/llama3-dynamo", 'Attention, of keys "present.0.key"'],
  ["families/llama3-torchscript", 'Attention, of keys "present.0.key"'],
  ["families/llama2-genai-fp32", "it is: com.microsoft::GroupQueryAttention"],
  ["new-families/gpt-oss-dynamo", "no: Attention takes no sinks; GroupQueryAttention does (kv: shared)"],
])("explain says of %s what its attention would be as one op", async (name, said) => {
  const { stdout } = await tfcHere("explain", path.join(root, "samples/models", name, "model.onnx"));
  expect(stdout).toContain(`as one op  ${said}`);
});

describe("tfc", () => {
  it.each([[["--help"]], [["-h"]], [["help"]], [["compile", "--help"]], [["help", "verify"]]])(
    "%j prints help on stdout",
    (args) => {
      const { status, stdout, stderr } = tfc(args);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toContain("Usage: tfc");
    },
  );

  it("without arguments prints help on stderr, and fails", () => {
    const { status, stdout, stderr } = tfc([]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("Usage: tfc");
  });

  it("--version is the package's", () => {
    const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
      version: string;
    };
    expect(tfc(["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("runs from any folder, and reports errors by exit status", () => {
    const { status, stdout, stderr } = tfc(["inspect", "nowhere.onnx"], folder);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^nowhere\.onnx: error FILE_NOT_FOUND: cannot open nowhere\.onnx\n/);
  });

  it("ends quietly when its reader does", () => {
    const sample = path.join(root, "samples/models/austen-llama/torchscript/model.onnx");
    const command = `"$0" bin/tfc.js dump --full "${sample}" | head -c 100`;
    const { stdout, stderr } = spawnSync("sh", ["-c", command, process.execPath], {
      cwd: root,
      encoding: "utf8",
    });
    expect(stdout).toHaveLength(100);
    expect(stderr).toBe("");
  });
});

it("tfc compile --help says to which kinds a setting belongs", async () => {
  const { stdout } = await tfcHere("compile", "--help");
  for (const kind of adapterKinds.values()) {
    for (const [name, { help }] of Object.entries(optionsOfKind(kind))) {
      // Long texts go on in the next line.
      const [, text = ""] = new RegExp(`^  --${name} (.*(?:\\n {6,}.*)*)`, "m").exec(stdout) ?? [];
      expect(text.replace(/\s+/g, " ")).toContain(`${kind.name}: ${help}`);
    }
  }
});

describe("tfc inspect", () => {
  it("--json prints one object of these keys", () => {
    const { status, stdout, stderr } = tfc(["inspect", "model.onnx", "--json"], folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const report = JSON.parse(stdout) as { layers: object[] };
    expect(report).toEqual({
      style: "unknown",
      exporter: "by hand",
      hiddenSize: 8,
      layers: [expect.anything()],
      matched: { attention: 1, mlp: 1 },
      seen: { attention: 1, mlp: 1 },
      misses: [],
      parameters: 16 * 8 + 4 * 64 + 3 * 96 + 128,
      inputs: [{ name: "input_ids", type: "int64[batch,sequence]" }],
    });
    expect(Object.keys(report)).toEqual([
      "style",
      "exporter",
      "hiddenSize",
      "layers",
      "matched",
      "seen",
      "misses",
      "parameters",
      "inputs",
    ]);
    expect(report.layers.map((layer) => Object.keys(layer))).toEqual([["index", "name", "attention", "mlp"]]);
    expect(report.layers[0]).toMatchObject({
      index: 0,
      name: "model.layers.0",
      attention: { op: "Softmax", heads: 2, kvHeads: 2, headDim: 4, scale: { value: 0.5 }, cache: null },
      mlp: { activation: "silu", gated: true, intermediateSize: 12 },
    });
  });

  it("--json lists what was missed, and why", async () => {
    const missed = tinyDecoder();
    nodeOf(missed, "products").input = ["hidden", "k_heads"];
    const { status, stdout } = await tfcHere("inspect", writeModel(folder, "missed.onnx", missed), "--json");
    expect(status).toBe(0);
    const report = JSON.parse(stdout) as { misses: object[] };
    expect(report).toMatchObject({ matched: { attention: 0 }, seen: { attention: 1 } });
    expect(report.misses.map((miss) => Object.keys(miss))).toEqual([["code", "at", "wanted", "got"]]);
    expect(report.misses[0]).toMatchObject({ code: "ATTENTION_Q_NOT_LINEAR" });
  });

  it("prints a page of text without --json", () => {
    const { status, stdout } = tfc(["inspect", "model.onnx"], folder);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^style {8}unknown, written by by hand\nhidden size {2}8\nparameters {3}800\n/);
    expect(stdout).toContain("\ninputs       input_ids  int64[batch,sequence]\n");
    expect(stdout).toContain("attention    1 of 1 understood");
    expect(stdout).toContain("2 heads, 2 kv heads of 4, scale 0.5");
  });

  it("shows the inputs of a cache as one line each of keys and values", async () => {
    const model = path.join(import.meta.dirname, "../../samples/models/austen-llama/dynamo/model.onnx");
    const { stdout } = await tfcHere("inspect", model);
    const lines = stdout.split("\n").filter((line) => line.includes(" … ") && line.includes("float["));
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/^ +\S*0\S* … \S*5\S* {2}float\[\S+,2,\S+,32\]$/);
  });

  it("says of other graphs that they are no decoder, without failing", async () => {
    const other = tinyDecoder();
    other.graph = {
      name: "relu",
      input: [info("x", 1, [2])],
      output: [info("y", 1, [2])],
      node: [node("Relu", ["x"], "y")],
    };
    const { status, stdout } = await tfcHere("inspect", writeModel(folder, "relu.onnx", other));
    expect(status).toBe(0);
    expect(stdout).toContain("no Llama-family decoder: it has neither attention nor projections");
  });
});

it("tfc dump prints the model's text on stdout", () => {
  const { status, stdout, stderr } = tfc(["dump", "model.onnx"], folder);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^<\s*ir_version: 8, opset_import: \["" : 17\]/);
  expect(stdout).toContain("probabilities = Softmax <axis = -1> (scores)");
});

describe("tfc verify", () => {
  it("compares two graphs, and prints a table", () => {
    tfc(["compile", "model.onnx"], folder);
    const { status, stdout, stderr } = tfc(["verify", "model.onnx", "model.tfc.onnx"], folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^optimizations +cases .*\noff .* equal\nall .* equal/);
  });

  it("fails when they differ, after the report", () => {
    const changed = tinyDecoder();
    nodeOf(changed, "gate_silu").input = ["gate", "gate"];
    writeModel(folder, "changed.onnx", changed);
    const { status, stdout, stderr } = tfc(["verify", "model.onnx", "changed.onnx", "--json"], folder);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ same: false, base: "model.onnx", compiled: "changed.onnx" });
    expect(stderr).toMatch(
      /^changed\.onnx: error OUTPUTS_DIFFER: the output "logits" differs\n {2}wanted .*\n {2}fix: /,
    );
  });

  it("without onnxruntime's report when a file is missing", () => {
    const { status, stdout, stderr } = tfc(["verify", "model.onnx", "nowhere.onnx"], folder);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("nowhere.onnx: error FILE_NOT_FOUND");
  });
});

it("the model that tests are made on runs", async () => {
  expect((await tfcHere("verify", model, model)).status).toBe(0);
});
