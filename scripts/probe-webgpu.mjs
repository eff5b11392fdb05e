// Tells which models onnxruntime-node's WebGPU provider runs wholly: a server for make-webgpu-kernels.py.
//
// Reads lines of JSON, { "model": base64, "alone": yes or no, "int64": yes or no }. Answers each with a line: null where the
// model loads, else what onnxruntime says. `alone` forbids the CPU provider; else the placed graph is in "/path".

import { createInterface } from "node:readline";
import ort from "onnxruntime-node";

for await (const line of createInterface({ input: process.stdin })) {
  const { model, providers, alone, int64, output } = JSON.parse(line);
  const extra = {
    session: alone ? { disable_cpu_ep_fallback: "1" } : {},
    ep: { webgpuexecutionprovider: { enableInt64: int64 ? "1" : "0" } },
  };
  const options = {
    executionProviders: providers,
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 4,
    extra,
    ...(output === undefined ? {} : { optimizedModelFilePath: output }),
  };
  let said = null;
  try {
    const session = await ort.InferenceSession.create(Buffer.from(model, "base64"), options);
    await session.release();
  } catch (error) {
    said = error instanceof Error ? error.message : String(error);
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
