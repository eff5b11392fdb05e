import { pathToFileURL } from "node:url";
import { join, posix } from "node:path";
import type { Bundler } from "./bundler.ts";
import { compileProcess } from "./compile-process.ts";
import type { PlacedEntry } from "./entry.ts";
import { packageFolder } from "./paths.ts";
import { ServedFiles, type Middleware } from "./served-files.ts";
import type { RollupBundler, RollupHooks } from "./rollup-hooks.ts";
import type { BuildState } from "./state.ts";

/** What is used of a vite's configuration. */
export interface ViteConfig {
  readonly root: string;
  readonly base: string;
  readonly command: "build" | "serve";
  readonly build: { readonly assetsDir: string };
  readonly server: { readonly fs: { readonly allow: string[] } };
}

/** Hooks of vite. */
export interface ViteHooks extends RollupHooks {
  readonly config: () => object;
  readonly renderChunk: (
    code: string,
    chunk: { readonly fileName: string },
  ) => { readonly code: string; readonly map: null } | null;
  readonly configResolved: (config: ViteConfig) => void;
  readonly configureServer: (server: { readonly middlewares: { use(act: Middleware): unknown } }) => void;
}

/** What stands for the way from a chunk to the folder of the output, in code that is not yet one. */
const FROM_CHUNK = "__TFC_FROM_CHUNK__/";

/** A build for a server leaves assets to the one for browsers: files are put beside its chunks when it has written. */
function besideChunks(rollup: RollupBundler, entry: PlacedEntry, id: string): { readonly url: string } {
  rollup.use(entry, id);
  const path = JSON.stringify(`${FROM_CHUNK}${posix.join(rollup.assets, entry.graph)}`);
  return { url: `new URL(${path}, import.meta.url).href` };
}

/** How vite takes files. */
export interface ViteBundler extends Bundler {
  readonly hooks: ViteHooks;
}

/** vite: rollup's ways when it builds; its server gives files from the cache. */
export function viteHooks(state: BuildState, rollup: RollupBundler): ViteBundler {
  const served = new ServedFiles();
  let config: ViteConfig | undefined;
  return {
    target: ({ environment }) => (environment?.config.consumer === "server" ? "node" : "browser"),
    parts: (context, entry, target, id) => {
      if (config?.command !== "serve") {
        if (target === "node") return Promise.resolve(besideChunks(rollup, entry, id));
        return rollup.parts(context, entry, target, id);
      }
      if (target === "node")
        return Promise.resolve({ url: JSON.stringify(pathToFileURL(join(entry.folder, entry.graph)).href) });
      const path = JSON.stringify(served.add(entry, config.base));
      // What vite makes of such URLs itself is for files of the project.
      return Promise.resolve({ url: `new URL(/* @vite-ignore */ ${path}, import.meta.url).href` });
    },
    fail: (context, error) => rollup.fail(context, error),
    hooks: {
      ...rollup.hooks,
      renderChunk: (code, { fileName }) => {
        if (!code.includes(FROM_CHUNK)) return null;
        const up = posix.relative(posix.dirname(fileName), ".");
        return { code: code.replaceAll(FROM_CHUNK, up === "" ? "./" : `${up}/`), map: null };
      },
      // It finds its WebAssembly beside its own file, from which it must not be taken away.
      config: () => ({ optimizeDeps: { exclude: ["onnxruntime-web", "@tokenformer/tfc"] } }),
      configResolved: (resolved) => {
        config = resolved;
        state.root = resolved.root;
        rollup.assets = resolved.build.assetsDir;
        // It gives a path from its base.
        rollup.urlOf = (path) => `new URL(${path}, import.meta.url).href`;
        resolved.server.fs.allow.push(packageFolder);
        if (resolved.command === "serve") compileProcess.keep();
      },
      configureServer: ({ middlewares }) => {
        middlewares.use(served.middleware);
      },
    },
  };
}
