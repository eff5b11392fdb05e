import { copyFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/*
 * Puts what tsc wrote for the command line and for threads, with the packages they always need, into a few files: Node
 * takes longer to find and load a hundred modules than to start. Each command stays a chunk of its own, loaded when it
 * is asked for.
 */
const inDist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
const inPage = (path) => fileURLToPath(new URL(`../compiler/report/page/${path}`, import.meta.url));

for (const folder of ["cli", "plugin", "web"]) rmSync(inDist(folder), { recursive: true, force: true });

/** For the CommonJS modules among the bundled ones. */
const banner = {
  js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
};

await build({
  entryPoints: {
    main: inDist("compiler/cli/main.js"),
    "engine-thread": inDist("runtime/engine/engine-thread.js"),
    "reader-thread": inDist("runtime/adapters/reader-thread.js"),
    "encoder-thread": inDist("runtime/generate/encoder-thread.js"),
    "waiting-thread": inDist("compiler/cli/waiting-thread.js"),
    "compute-thread": inDist("compiler/testing/compute-thread.js"),
  },
  outdir: inDist("cli"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  // Native code, and what only some commands ask for.
  external: ["onnxruntime-node", "@huggingface/*", "ts-morph"],
  banner,
  logLevel: "warning",
});

/* The build step: a build that finds all in its cache loads a few files, and no compiler. */
const bundlers = ["vite", "rollup", "webpack", "rspack", "esbuild", "rolldown", "unplugin"];
await build({
  entryPoints: Object.fromEntries(bundlers.map((name) => [name, inDist(`compiler/plugin/${name}.js`)])),
  outdir: inDist("plugin"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["onnxruntime-node", "@huggingface/*", "ts-morph", "unplugin"],
  banner,
  logLevel: "warning",
});

// Types of imports are declarations alone, which tsc does not copy.
copyFileSync(new URL("../compiler/plugin/client.d.ts", import.meta.url), inDist("plugin/client.d.ts"));

/* What goes into apps: for any browser, with nothing of Node. */
await build({
  entryPoints: {
    index: inDist("runtime/web/index.js"),
    ...Object.fromEntries(
      ["onnxruntime", "onnxruntime-node", "onnxruntime-web", "onnxruntime-wasm", "onnxruntime-webgpu"].map(
        (name) => [name, inDist(`runtime/web/${name}.js`)],
      ),
    ),
  },
  outdir: inDist("web"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "neutral",
  target: "es2022",
  mainFields: ["module", "main"],
  minifySyntax: true,
  minifyWhitespace: true,
  external: ["onnxruntime-node", "onnxruntime-web/*"],
  // Of the values in a few messages.
  alias: { "node:util": inDist("runtime/web/inspect.js") },
  logLevel: "warning",
});

/* The page of `tfc report`, with what it needs, for a browser: a script and a style that go into one file. */
await build({
  entryPoints: { page: inPage("main.tsx"), style: inPage("style.css") },
  outdir: inDist("report"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "inline",
  logLevel: "warning",
});
