import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { pythonWith } from "../../onnx/check/python.ts";
import { loraOf, save, scalarlmOf, writePeft, writeWeights } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { tinyDecoder, writeModel } from "../../support/tiny-decoder.ts";

const folder = temporaryFolder();
const python = pythonWith("onnxruntime");
const base = writeModel(folder, "base.onnx", tinyDecoder());

const script = `
import json, sys, numpy as np, onnxruntime as ort
base, baked, optional, adapter, level = json.load(sys.stdin)
def session(file):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
feeds = {"input_ids": np.arange(10).reshape(2, 5)}
run = lambda one, options=None: one.run(["logits"], feeds, options)[0]
one, loaded, active = session(optional), ort.LoraAdapter(), ort.RunOptions()
loaded.Load(adapter)
active.add_active_adapter(loaded)
wanted, without = run(session(baked)), run(session(base))
apart = lambda a, b: float(np.abs(a - b).max())
results = [apart(run(one), without), apart(run(one, active), wanted), apart(run(one), without), apart(wanted, without)]
json.dump({"inputs": [i.name for i in one.get_inputs()], "results": results}, sys.stdout)
`;

const q = "model.layers.0.self_attn.q_proj";

/** LoRA at one of the projections that the graph takes it at, of another rank; and Tokenformer's. */
const adapters = {
  lora: async () => readAdapter(await writePeft(path.join(folder, "peft"), loraOf(q, { rank: 3 }), { r: 3 })),
  scalarlm: async () =>
    readAdapter(await writeWeights(path.join(folder, "tf.safetensors"), scalarlmOf("model.layers.0.mlp"))),
};

(python === null ? it.skip.each : it.each)(
  (["lora", "scalarlm"] as const).flatMap((kind) =>
    ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"].map((level) => [kind, level] as const),
  ),
)(
  `stock onnxruntime runs a graph of optional inputs with and without an adapter: %s, %s${python === null ? " (SKIPPED, no Python with onnxruntime: set TFC_PYTHON to one)" : ""}`,
  async (kind, level) => {
    const adapter = await adapters[kind]();
    const [baked, optional] = ["baked", "optional"].map((name) => path.join(folder, `${kind}-${name}.onnx`));
    const file = await save(adapter, path.join(folder, `${kind}.onnx_adapter`), "onnx_adapter");
    await compile({ input: base, output: baked ?? "", load: [adapter.file], weights: "inline" });
    const settings = kind === "lora" ? {} : { heads: 2 };
    const entries = [{ kind, sites: kind === "lora" ? "q_proj,v_proj" : "mlp", settings }];
    await compile({
      input: base,
      output: optional ?? "",
      entries,
      residence: "optional-inputs",
      weights: "inline",
    });
    const { status, stdout, stderr } = spawnSync(python ?? "", ["-c", script], {
      input: JSON.stringify([base, baked, optional, file, level]),
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
    const { inputs, results } = JSON.parse(stdout) as { inputs: string[]; results: number[] };
    expect(inputs).toEqual(["input_ids"]);
    const [first = NaN, active = NaN, again = NaN, difference = NaN] = results;
    expect([first, again]).toEqual([0, 0]);
    expect(active).toBeLessThan(1e-5);
    expect(difference).toBeGreaterThan(1e-2);
  },
  60_000,
);
