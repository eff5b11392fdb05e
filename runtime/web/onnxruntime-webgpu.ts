import { webHost } from "./web-host.ts";

/** onnxruntime-web with WebGPU alone, of graphs that were compiled for it. Its module has a CPU, too. */
export const host = webHost(async () => await import("onnxruntime-web/webgpu"));
