import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { fetched } from "./fetched.ts";
import type { Ort, OrtHost } from "./ort.ts";

/** onnxruntime-node, which finds a graph's weights beside it. */
export const host: OrtHost = {
  load: async () => {
    // The package is CommonJS: its own exports are the default one, and only some tools show them by name too.
    const module = (await import("onnxruntime-node")) as unknown as Ort & { readonly default?: Ort };
    return module.default ?? module;
  },
  source: ({ url }) => ({ model: fileURLToPath(url), options: {} }),
  read: (url) =>
    /^(https?|data):/.test(url) ? fetched(url) : readFile(url.startsWith("file:") ? new URL(url) : url),
  // Nodes without a kernel there, mostly arithmetic on shapes, stay on the CPU.
  providers: (provider) => (provider === "cpu" ? ["cpu"] : [provider, "cpu"]),
};
