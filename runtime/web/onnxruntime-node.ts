import { fetched } from "./fetched.ts";
import type { Ort, OrtHost } from "./ort.ts";

/** Modules of Node, which a page that has this file in it never asks for. */
const node = {
  get fs() {
    return process.getBuiltinModule("node:fs/promises");
  },
  get url() {
    return process.getBuiltinModule("node:url");
  },
};

/** onnxruntime-node, which finds a graph's weights beside it. */
export const host: OrtHost = {
  load: async () => {
    // The package is CommonJS: its own exports are the default one, and only some tools show them by name too.
    const module = (await import("onnxruntime-node")) as unknown as Ort & { readonly default?: Ort };
    return module.default ?? module;
  },
  source: ({ url }) => ({ model: node.url.fileURLToPath(url), options: {} }),
  read: (url) =>
    /^(https?|data):/.test(url)
      ? fetched(url)
      : node.fs.readFile(url.startsWith("file:") ? new URL(url) : url),
  // Nodes without a kernel there, mostly arithmetic on shapes, stay on the CPU.
  providers: (provider) => (provider === "cpu" ? ["cpu"] : [provider, "cpu"]),
};
