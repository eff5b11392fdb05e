/**
 * Builds an app by a bundler, in a process of its own, as people's scripts do:
 * `node build-app.mjs BUNDLER '{"root": …, "out": …}'`. Prints warnings, and errors as the bundler gives them.
 */
import { join } from "node:path";

const [, , bundler = "", text = "{}"] = process.argv;
/** @type {{ root: string, out: string, plugin?: object, target?: "node" | "browser", write?: boolean, format?: string, entry?: string }} */
const {
  root,
  out,
  plugin = {},
  target = "node",
  write = true,
  format = "esm",
  entry = "main.js",
} = JSON.parse(text);
const input = join(root, entry);
const isNode = target === "node";
process.chdir(root);

const { default: tfc } = await import(`@tokenformer/tfc/${bundler}`);

const builds = {
  async rollup() {
    const { rollup } = await import("rollup");
    const bundle = await rollup({
      input,
      plugins: [tfc(plugin)],
      onwarn: ({ message }) => console.warn(message),
    });
    await (write ? bundle.write({ dir: out }) : bundle.generate({ dir: out }));
    await bundle.close();
  },
  async rolldown() {
    const { rolldown } = await import("rolldown");
    const bundle = await rolldown({ input, platform: target, plugins: [tfc(plugin)] });
    await (write ? bundle.write({ dir: out }) : bundle.generate({ dir: out }));
    await bundle.close();
  },
  async vite() {
    const { build } = await import("vite");
    await build({
      ...{ root, configFile: false, logLevel: "warn", plugins: [tfc(plugin)] },
      build: { outDir: out, write, ...(isNode ? { ssr: input } : {}) },
    });
  },
  async esbuild() {
    const { build } = await import("esbuild");
    const result = await build({
      ...{ entryPoints: [input], bundle: true, platform: target, format, write },
      ...{ outdir: out, absWorkingDir: root, plugins: [tfc(plugin)], logLevel: "silent" },
    });
    for (const { text } of result.warnings) console.warn(text);
    if (!write) console.log(JSON.stringify(result.outputFiles?.map(({ path }) => path)));
  },
  webpack: async () => packed((await import("webpack")).default),
  rspack: async () => packed((await import("@rspack/core")).rspack),
};

/** @param {any} pack webpack or rspack */
function packed(pack) {
  const output = { path: out, filename: "main.js", module: true, chunkFormat: "module" };
  const compiler = pack({
    ...{ mode: "production", context: root, entry: input, target: isNode ? "node" : "web", output },
    ...{ experiments: { outputModule: true }, optimization: { minimize: false }, plugins: [tfc(plugin)] },
  });
  return new Promise((resolve, reject) => {
    compiler.run((error, stats) => {
      if (stats?.hasWarnings()) console.warn(stats.toString({ all: false, warnings: true }));
      compiler.close(() => {
        if (error) reject(error);
        else if (stats.hasErrors()) reject(new Error(stats.toString({ errors: true })));
        else resolve(undefined);
      });
    });
  });
}

await builds[bundler]();
