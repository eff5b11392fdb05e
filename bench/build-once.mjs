/** Builds one project with vite and prints the milliseconds: `node build-once.mjs FOLDER HAS_PLUGIN`. */
import { join } from "node:path";
import { build } from "vite";

const [, , root = "", hasPlugin = "true"] = process.argv;
const start = performance.now();
const plugins = hasPlugin === "true" ? [(await import("@tokenformer/tfc/vite")).default()] : [];
await build({
  ...{ root, configFile: false, logLevel: "silent", plugins },
  build: { outDir: join(root, "out"), emptyOutDir: true, assetsInlineLimit: 0 },
});
console.log(performance.now() - start);
