/**
 * Serves an app with vite until it is killed: `node serve-app.mjs '{"root": …, "mode": "dev" | "built" | "placed"}'`.
 * Prints where. What is "placed" was built before, into the folder `out`.
 */
import { join } from "node:path";
import tfc from "@tokenformer/tfc/vite";
import { build, createServer, preview } from "vite";

const { root, mode, plugin = {} } = JSON.parse(process.argv[2] ?? "{}");
const common = { root, configFile: false, logLevel: "silent", cacheDir: join(root, ".vite") };

if (mode === "dev") {
  const server = await createServer({
    ...common,
    plugins: [tfc(plugin)],
    server: { port: 0, host: "127.0.0.1" },
  });
  await server.listen();
  console.log(server.resolvedUrls?.local[0]);
} else {
  const outDir = join(root, "out");
  if (mode === "built")
    await build({ ...common, plugins: [tfc(plugin)], build: { outDir, emptyOutDir: true } });
  const server = await preview({ ...common, build: { outDir }, preview: { port: 0, host: "127.0.0.1" } });
  console.log(server.resolvedUrls?.local[0]);
}
