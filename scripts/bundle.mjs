import { copyFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/*
 * Puts what tsc wrote for the command line and for threads, with the packages they always need, into a few files: Node
 * takes longer to find and load a hundred modules than to start.
 */
const inDist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
const inPage = (path) => fileURLToPath(new URL(`../compiler/report/page/${path}`, import.meta.url));

for (const folder of ["cli", "plugin", "web"]) rmSync(inDist(folder), { recursive: true, force: true });

/** Native code, and what only some commands ask for. */
const external = ["onnxruntime-node", "@huggingface/*", "ts-morph"];

/** For the CommonJS modules among the bundled ones. */
const banner = {
  js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
};

/*
 * The command line: one script, of which bin/bundle.js keeps the compiled code. What no command asks for is not run. In
 * such a script Node has no `import`, so packages are required, and the one module that imports what the user names
 * stays a file of its own.
 */
const script = {
  outdir: inDist("cli"),
  outExtension: { ".js": ".cjs" },
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
  logLevel: "warning",
};
await build({ ...script, entryPoints: { "import-url": inDist("compiler/config/import-url.js") } });
await build({
  ...script,
  entryPoints: { main: inDist("compiler/cli/main.js") },
  external,
  supported: { "dynamic-import": false },
  define: { "import.meta.url": "urlOfBundle" },
  banner: { js: 'const urlOfBundle = require("node:url").pathToFileURL(__filename).href;' },
  plugins: [
    {
      name: "import-url",
      setup: ({ onResolve }) => {
        onResolve({ filter: /\/import-url\.js$/ }, () => ({ path: "./import-url.cjs", external: true }));
      },
    },
  ],
});

await build({
  entryPoints: {
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
  external,
  banner,
  logLevel: "warning",
});

/* The build step, and the process that compiles for it: a build that finds all in its cache loads no compiler. */
const bundlers = ["vite", "rollup", "webpack", "rspack", "esbuild", "rolldown", "unplugin"];
await build({
  entryPoints: Object.fromEntries(
    [...bundlers, "compiling"].map((name) => [name, inDist(`compiler/plugin/${name}.js`)]),
  ),
  outdir: inDist("plugin"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: [...external, "unplugin"],
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
