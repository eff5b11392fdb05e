import { existsSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import type { Compiler } from "webpack";
import { inputError } from "../diagnostics/error.ts";
import type { BuildError } from "./build-error.ts";
import type { Bundler } from "./bundler.ts";
import { ENTRY_FILE, type Entry, type PlacedEntry } from "./entry.ts";
import { isLarge, placeFile } from "./place.ts";
import { PlacedFiles } from "./placed-files.ts";
import { readRecord } from "./record.ts";
import { listOf } from "./rollup-hooks.ts";
import type { BuildState } from "./state.ts";

/** The folder of files, in the build's. */
const ASSETS = "assets";

/** How webpack and rspack take files. */
export interface WebpackBundler extends Bundler {
  readonly apply: (compiler: unknown) => void;
}

/** webpack and rspack: small files are their assets, named as graphs refer to them; large ones are put beside those. */
export function webpackBundler(state: BuildState): WebpackBundler {
  let platform: Compiler["platform"] | undefined;
  let isRspack = false;
  const placed = new PlacedFiles();
  return {
    target: () => (platform?.node === true ? "node" : platform?.web === true ? "browser" : null),
    parts: (_, entry) => Promise.resolve(assetsOf(entry)),
    fail: (_, error) => {
      throw isRspack ? withPlace(error) : error;
    },
    apply: (given) => {
      const compiler = given as Compiler;
      state.root = compiler.context;
      isRspack = "rspack" in compiler;
      // It is set when the compiler has been set up.
      compiler.hooks.initialize.tap("tfc", () => {
        platform = compiler.platform;
      });
      compiler.options.module.rules.unshift({
        include: (path: string) => path.startsWith(state.cacheFolder + sep),
        type: "asset/resource",
        generator: {
          filename: ({ filename = "" }: { readonly filename?: string }) => assetName(state, filename),
        },
      });
      const { ExternalsPlugin } = compiler.webpack;
      new ExternalsPlugin("import", ["onnxruntime-node"]).apply(compiler);
      compiler.hooks.afterEmit.tap("tfc", (compilation) => {
        const folder = compilation.outputOptions.path;
        const now = compilation
          .getAssets()
          .map(({ name, info }) =>
            placeBeside(resolve(state.root, String(info.sourceFilename)), join(folder, name), state),
          );
        placed.note("", new Set(now.flat()));
      });
    },
  };
}

/** An error that says where the import stands: of rspack, which names its file alone. */
function withPlace(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { loc } = error as Partial<BuildError>;
  if (loc !== undefined) error.message += `\n  in ${loc.file}:${loc.line}:${loc.column + 1}`;
  return error;
}

/** Expressions that make small files assets. */
function assetsOf(entry: PlacedEntry): { readonly url: string; readonly files: ReadonlyMap<string, string> } {
  const asset = (path: string): string =>
    `new URL(${JSON.stringify(join(entry.folder, path))}, import.meta.url).href`;
  const small = entry.files.filter((file) => !isLarge(file));
  const files = new Map(small.map(({ path }) => [path, asset(path)] as const));
  const url = files.get(entry.graph);
  if (url !== undefined) return { url, files };
  // A graph that no memory is to hold lies beside a list of the files.
  const list = `${entry.graph}.files.json`;
  writeFileSync(join(entry.folder, list), listOf(entry));
  return { url: `new URL(${JSON.stringify(entry.graph)}, ${asset(list)}).href`, files };
}

/** What a file of the cache is called: as it is called there, below its entry. */
function assetName(state: BuildState, filename: string): string {
  const file = resolve(state.root, filename.replace(/[?#].*$/, ""));
  const [, ...path] = relative(state.cacheFolder, file).split(sep);
  return [ASSETS, ...path].join("/");
}

/** @returns paths of the files that were put beside one of the build's @throws TfcError BUILD_CANNOT_EMIT where those are no files */
function placeBeside(from: string, to: string, state: BuildState): readonly string[] {
  if (!from.startsWith(state.cacheFolder + sep) || !/\.onnx(\.files\.json)?$/.test(from)) return [];
  const folder = dirname(from);
  const entry = readRecord(join(folder, ENTRY_FILE)) as Entry | null;
  if (entry === null) throw new Error(`an entry that was taken away while it was built: ${folder}`);
  const large = entry.files.filter(isLarge);
  if (large.length === 0) return [];
  if (!existsSync(to)) {
    const fix =
      "have the bundler write to the disk, as `devMiddleware: { writeToDisk: true }` of its server does";
    const files = large.map(({ path }) => path);
    const found = "a build in memory";
    throw state.explained(
      inputError("BUILD_CANNOT_EMIT", { file: entry.name }, { files, found, fix }),
      entry.name,
    );
  }
  return large.map((file) => placeFile({ ...entry, folder }, file, dirname(to)));
}
