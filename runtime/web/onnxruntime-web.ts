import { webHost } from "./web-host.ts";

/**
 * onnxruntime-web, whose CPU is WebAssembly. Of its modules a page loads the one that it needs. The package's main one is
 * none of them: its WebGPU, written in JavaScript, lacks kernels that the other has, and is loaded for the CPU, too.
 */
export const host = webHost(async (provider) =>
  provider === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm"),
);
