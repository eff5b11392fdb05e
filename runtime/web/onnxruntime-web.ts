import { fetched } from "./fetched.ts";
import type { OrtHost } from "./ort.ts";

/** onnxruntime-web. WebAssembly is its CPU. */
export const host: OrtHost = {
  load: async () => await import("onnxruntime-web"),
  source: ({ url, data }) => ({
    model: url,
    options:
      data.length === 0 ? {} : { externalData: data.map((file) => ({ path: file.path, data: file.url })) },
  }),
  read: fetched,
  providers: (provider) => (provider === "webgpu" ? ["webgpu"] : ["wasm"]),
};
