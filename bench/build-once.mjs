/** Builds one project and prints the milliseconds: `node build-once.mjs FOLDER HAS_PLUGIN TARGET [BUNDLER]`. */
import { join } from "node:path";

const [, , root = "", hasPlugin = "true", target = "browser", bundler = "vite"] = process.argv;
const [input, out] = [join(root, "main.js"), join(root, "out")];
process.chdir(root);

/** Each gets its bundler, and gives what builds with plugins: loading the bundler does not count. */
const builders = {
  async vite() {
    const { build } = await import("vite");
    return (plugins) =>
      build({
        ...{ root, configFile: false, logLevel: "silent", plugins },
        build: {
          outDir: out,
          emptyOutDir: true,
          assetsInlineLimit: 0,
          ...(target === "node" ? { ssr: input } : {}),
        },
      });
  },
  async rollup() {
    const { rollup } = await import("rollup");
    return async (plugins) => {
      const bundle = await rollup({ input, plugins, onwarn: () => undefined });
      await bundle.write({ dir: out });
    };
  },
  async rolldown() {
    const { build } = await import("rolldown");
    return (plugins) => build({ input, platform: target, plugins, output: { dir: out }, logLevel: "silent" });
  },
  async esbuild() {
    const { build } = await import("esbuild");
    const how = { bundle: true, platform: target, format: "esm", logLevel: "silent" };
    return (plugins) => build({ ...how, entryPoints: [input], outdir: out, absWorkingDir: root, plugins });
  },
  webpack: async () => packed((await import("webpack")).default),
  rspack: async () => packed((await import("@rspack/core")).rspack),
};

/** @param {any} pack webpack or rspack */
function packed(pack) {
  const output = { path: out, filename: "main.js", module: true, chunkFormat: "module" };
  const how = { mode: "production", context: root, entry: input, target: target === "node" ? "node" : "web" };
  return (plugins) =>
    new Promise((resolve, reject) => {
      const compiler = pack({ ...how, output, experiments: { outputModule: true }, plugins });
      compiler.run((error, stats) => {
        const failed =
          error ?? (stats.hasErrors() ? new Error(stats.toString({ all: false, errors: true })) : null);
        compiler.close(() => (failed === null ? resolve(undefined) : reject(failed)));
      });
    });
}

const build = await builders[bundler]();
const start = performance.now();
await build(hasPlugin === "true" ? [(await import(`@tokenformer/tfc/${bundler}`)).default()] : []);
console.log(performance.now() - start);
