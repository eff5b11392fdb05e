import { fetched } from "./fetched.ts";
import type { Ort, OrtHost, WebProvider } from "./ort.ts";

/** An onnxruntime-web: what it takes is the same, whichever of its modules are loaded. */
export function webHost(load: (provider: WebProvider) => Promise<Ort>): OrtHost {
  return {
    load,
    source: ({ url, data }) => ({
      model: url,
      options:
        data.length === 0 ? {} : { externalData: data.map((file) => ({ path: file.path, data: file.url })) },
    }),
    read: fetched,
    providers: (provider) => (provider === "webgpu" ? ["webgpu"] : ["wasm"]),
  };
}
