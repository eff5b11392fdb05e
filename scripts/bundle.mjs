import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/*
 * Puts what tsc wrote for the command line and for threads, with the packages they always need, into a few files: Node
 * takes longer to find and load a hundred modules than to start. Each command stays a chunk of its own, loaded when it
 * is asked for.
 */
const inDist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
const inPage = (path) => fileURLToPath(new URL(`../compiler/report/page/${path}`, import.meta.url));

rmSync(inDist("cli"), { recursive: true, force: true });
await build({
  entryPoints: {
    main: inDist("compiler/cli/main.js"),
    "engine-thread": inDist("runtime/engine/engine-thread.js"),
    "reader-thread": inDist("runtime/adapters/reader-thread.js"),
    "encoder-thread": inDist("runtime/generate/encoder-thread.js"),
    "waiting-thread": inDist("compiler/cli/waiting-thread.js"),
  },
  outdir: inDist("cli"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  // Native code, and what only some commands ask for.
  external: ["onnxruntime-node", "@huggingface/*", "ts-morph"],
  // For the CommonJS modules among the bundled ones.
  banner: {
    js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
  },
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
