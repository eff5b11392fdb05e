/** Builds one project with vite and prints the milliseconds: `node build-once.mjs FOLDER HAS_PLUGIN TARGET`. */
import { join } from "node:path";
import { build } from "vite";

const [, , root = "", hasPlugin = "true", target = "browser"] = process.argv;
const start = performance.now();
const plugins = hasPlugin === "true" ? [(await import("@tokenformer/tfc/vite")).default()] : [];
await build({
  ...{ root, configFile: false, logLevel: "silent", plugins },
  build: {
    outDir: join(root, "out"),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    ...(target === "node" ? { ssr: join(root, "main.js") } : {}),
  },
});
console.log(performance.now() - start);
