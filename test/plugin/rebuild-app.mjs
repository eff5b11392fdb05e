/**
 * Builds an app, changes its model, and builds it again with the same plugin, as bundlers do that watch:
 * `node rebuild-app.mjs BUNDLER ROOT`. Prints the large files of the output after each build, as JSON.
 */
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";

const [, , bundler = "", root = ""] = process.argv;
const [input, out] = [join(root, "main.js"), join(root, "out")];
process.chdir(root);
const { default: tfc } = await import(`@tokenformer/tfc/${bundler}`);
const plugins = [tfc()];

/** What builds, as often as it is called. */
const builders = {
  async rollup() {
    const { rollup } = await import("rollup");
    let cache;
    return async () => {
      const bundle = await rollup({ input, cache, plugins, onwarn: () => undefined });
      cache = bundle.cache;
      await bundle.write({ dir: out });
      await bundle.close();
    };
  },
  async esbuild() {
    const { context } = await import("esbuild");
    const settings = { bundle: true, platform: "node", format: "esm", logLevel: "silent", plugins };
    const building = await context({ entryPoints: [input], outdir: out, absWorkingDir: root, ...settings });
    return () => building.rebuild();
  },
  webpack: async () => packed((await import("webpack")).default),
  rspack: async () => packed((await import("@rspack/core")).rspack),
};

/** @param {any} pack webpack or rspack */
function packed(pack) {
  const output = { path: out, filename: "main.js", module: true, chunkFormat: "module" };
  const experiments = { outputModule: true };
  const compiler = pack({ mode: "development", context: root, entry: input, target: "node", output, experiments, plugins }); // prettier-ignore
  return () =>
    new Promise((resolve, reject) => {
      compiler.run((error, stats) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()));
        else resolve(undefined);
      });
    });
}

const build = await builders[bundler]();
const found = [];
for (const size of [20, 21]) {
  truncateSync(join(root, "model/dynamo/model.onnx.data"), size * 2 ** 20);
  await build();
  const files = readdirSync(out, { recursive: true }).map((name) => statSync(join(out, String(name))));
  found.push(
    files.filter((file) => file.isFile() && file.size > 16 * 2 ** 20).map((file) => file.size / 2 ** 20),
  );
}
console.log(JSON.stringify(found));
process.exit();
