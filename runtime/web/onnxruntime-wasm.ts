import { webHost } from "./web-host.ts";

/** onnxruntime-web without WebGPU, of graphs that were compiled for the CPU. */
export const host = webHost(async (provider) => {
  if (provider === "webgpu")
    throw new Error("the build has no WebGPU for a model that it compiles with for=cpu: leave that out");
  return await import("onnxruntime-web/wasm");
});
