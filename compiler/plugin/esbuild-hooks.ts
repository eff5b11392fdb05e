import { readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { BuildOptions, OnEndResult, OutputFile, PluginBuild, BuildResult } from "esbuild";
import type { Bundler } from "./bundler.ts";
import type { PlacedEntry } from "./entry.ts";
import { digestOf } from "./import-id.ts";
import { IN_MEMORY, isLarge, placeCopy, placeFile } from "./place.ts";
import { PlacedFiles } from "./placed-files.ts";
import { listOf, refuseLarge } from "./rollup-hooks.ts";
import type { BuildState } from "./state.ts";
import { soughtWebAssembly } from "./web-assembly.ts";

/** Imports of files that are to be copied as they are. */
const FILE = "tfc-file:";

/** How esbuild takes files. */
export interface EsbuildBundler extends Bundler {
  readonly hooks: {
    readonly config: (options: BuildOptions) => void;
    readonly setup: (build: PluginBuild) => void;
  };
}

/** esbuild: the graph is one of its files, and what the graph reads is put beside it when it has written. */
export function esbuildHooks(state: BuildState): EsbuildBundler {
  const used = new Map<string, PlacedEntry>();
  let options: BuildOptions = {};
  return {
    target: () => (options.platform === "neutral" ? null : options.platform === "node" ? "node" : "browser"),
    parts: (_, entry) => {
      used.set(anchorOf(entry), entry);
      const anchor = `import anchor from ${JSON.stringify(FILE + anchorOf(entry))};`;
      const base = `new URL(anchor, ${baseOf(options)})`;
      const isGraph = !isLarge(graphOf(entry));
      const url = isGraph ? `${base}.href` : `new URL(${JSON.stringify(entry.graph)}, ${base}).href`;
      return Promise.resolve({ imports: [anchor], url });
    },
    // It reads what it watches, all at once.
    watches: (file) => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) <= IN_MEMORY,
    fail: (context, error) => {
      // Watched files are known of what is returned only.
      if (context.error === undefined) throw error;
      context.error({ message: error instanceof Error ? error.message : String(error) });
      return "export default undefined;";
    },
    hooks: {
      config: (given) => {
        options = given;
        state.root = given.absWorkingDir ?? process.cwd();
        // It tells where the graph went.
        given.metafile = true;
      },
      setup: (build) => {
        setUp(build, state, used);
      },
    },
  };
}

function graphOf(entry: PlacedEntry): PlacedEntry["files"][number] {
  const [graph] = entry.files;
  if (graph === undefined) throw new Error("an entry without files");
  return graph;
}

/** What the build has as a file of its own: the graph, or, of one that no memory is to hold, a list of the files. */
function anchorOf(entry: PlacedEntry): string {
  return join(entry.folder, isLarge(graphOf(entry)) ? `${entry.graph}.files.json` : entry.graph);
}

function setUp(build: PluginBuild, state: BuildState, used: ReadonlyMap<string, PlacedEntry>): void {
  const files = new PlacedFiles();
  build.onResolve({ filter: /^tfc-file:/ }, ({ path }) => ({
    path: path.slice(FILE.length),
    namespace: "tfc-file",
  }));
  build.onLoad({ filter: /.*/, namespace: "tfc-file" }, async ({ path }) => {
    const entry = used.get(path);
    if (entry === undefined) throw new Error(`${path} is no file of a compiled model`);
    const isGraph = basename(path) === entry.graph;
    return { contents: isGraph ? await readFile(path) : listOf(entry), loader: "file" };
  });
  build.onEnd((result) =>
    result.errors.length > 0 ? undefined : placed(build, state, { used, files }, result),
  );
}

/** Puts the other files of each model beside its graph. */
function placed(
  { initialOptions }: PluginBuild,
  state: BuildState,
  { used, files }: { readonly used: ReadonlyMap<string, PlacedEntry>; readonly files: PlacedFiles },
  result: BuildResult,
): OnEndResult | undefined {
  try {
    const now = new Set<string>();
    for (const [file, { inputs }] of Object.entries(result.metafile?.outputs ?? {})) {
      const modules = Object.keys(inputs).map((input) => resolve(state.root, input));
      placeWebAssembly(resolve(state.root, file), modules, result);
      const [from] = Object.keys(inputs).filter((input) => input.startsWith("tfc-file:"));
      const entry = from === undefined ? undefined : used.get(from.slice(FILE.length));
      if (entry === undefined || !isAnchor(file, entry)) continue;
      const folder = dirname(resolve(state.root, file));
      if (initialOptions.write === false) hand(entry, folder, result, state);
      else for (const one of othersOf(entry)) now.add(placeFile(entry, one, folder));
    }
    files.note("", now);
    return undefined;
  } catch (error) {
    return { errors: [{ text: error instanceof Error ? error.message : String(error) }] };
  }
}

/** Chunks have the same input as the file that they import. */
function isAnchor(file: string, entry: PlacedEntry): boolean {
  return /\.(onnx|json)$/.test(file) && basename(file).startsWith(entry.graph.replace(/\.onnx$/, ""));
}

function othersOf(entry: PlacedEntry): PlacedEntry["files"] {
  const isGraph = !isLarge(graphOf(entry));
  return entry.files.filter(({ path }) => !isGraph || path !== entry.graph);
}

/** Gives files to who asked for them in memory. @throws TfcError BUILD_CANNOT_EMIT */
function hand(entry: PlacedEntry, folder: string, result: BuildResult, state: BuildState): void {
  refuseLarge([entry], state);
  for (const { path, check } of othersOf(entry))
    result.outputFiles?.push(outputFile(join(folder, path), readFileSync(join(entry.folder, path)), check));
}

/** Puts WebAssembly beside code that looks for it there; gives it to who asked for files in memory. */
function placeWebAssembly(file: string, modules: readonly string[], { outputFiles }: BuildResult): void {
  const code = (): string =>
    outputFiles?.find(({ path }) => path === file)?.text ?? readFileSync(file, "utf8");
  for (const { from, to } of soughtWebAssembly({ file, code, modules })) {
    if (outputFiles === undefined) placeCopy(from, to);
    else if (!outputFiles.some(({ path }) => path === to)) {
      const contents = readFileSync(from);
      outputFiles.push(outputFile(to, contents, digestOf(contents)));
    }
  }
}

function outputFile(path: string, content: Uint8Array, hash: string): OutputFile {
  const contents = new Uint8Array(content);
  return {
    ...{ path, contents, hash },
    get text() {
      return new TextDecoder().decode(contents);
    },
  };
}

/** An expression of where a module is, by the format of the output. */
function baseOf({ format, platform, bundle }: BuildOptions): string {
  const isNode = platform === "node";
  const form = format ?? (bundle === true && !isNode ? "iife" : isNode ? "cjs" : "esm");
  if (form === "esm") return "import.meta.url";
  if (isNode) return `require("node:url").pathToFileURL(__filename)`;
  return `(typeof document === "undefined" ? location.href : (document.currentScript?.src ?? document.baseURI))`;
}
