import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { inputError } from "../diagnostics/error.ts";
import type { Bundler, LoadContext } from "./bundler.ts";
import type { EntryFile, PlacedEntry } from "./entry.ts";
import type { ModuleParts } from "./module-text.ts";
import { isLarge, placeFile } from "./place.ts";
import { PlacedFiles } from "./placed-files.ts";
import type { BuildState } from "./state.ts";
import { soughtWebAssembly, type SoughtFile } from "./web-assembly.ts";

/** What is used of a rollup's options of one output. */
export interface OutputOptions {
  readonly dir?: string | undefined;
  readonly file?: string | undefined;
}

/** What is used of a file that rollup is about to write. */
export type OutputPart =
  | { readonly type: "chunk"; readonly code: string; readonly moduleIds: readonly string[] }
  | { readonly type: "asset" };

/** Hooks of rollup and its kin. */
export interface RollupHooks {
  readonly generateBundle: (
    this: LoadContext,
    options: OutputOptions,
    bundle: Readonly<Record<string, OutputPart>>,
    isWrite: boolean,
  ) => void;
  readonly writeBundle: (this: LoadContext, options: OutputOptions) => void;
  readonly options: (options: object) => null;
}

/** How rollup, rolldown and vite take files. */
export interface RollupBundler extends Bundler {
  /** The folder of files, in the build's. */
  assets: string;
  /** An expression of a file's URL, by what stands for the file's path in the output. */
  urlOf: (path: string) => string;
  /** Has the files of a module's entry put into the output. */
  readonly use: (entry: PlacedEntry, id: string) => void;
  readonly hooks: RollupHooks;
}

/** Rollup: small files are its assets; large ones are put beside them when it has written. */
export function rollupHooks(state: BuildState): RollupBundler {
  // By module: one that is watched has another entry when its model has changed, and is gone when nothing imports it.
  const modules = new Map<string, PlacedEntry>();
  const placed = new PlacedFiles();
  const usedBy = (context: LoadContext): readonly PlacedEntry[] => {
    const ids = new Set(context.getModuleIds?.() ?? modules.keys());
    return [...modules].filter(([id]) => ids.has(id)).map(([, entry]) => entry);
  };
  const bundler: RollupBundler = {
    assets: "assets",
    // Rollup makes a URL of it.
    urlOf: (path) => path,
    use: (entry, id) => {
      modules.set(id, entry);
    },
    target: () => state.target,
    parts: (context, entry, _, id) => {
      bundler.use(entry, id);
      return Promise.resolve(emitted(context, entry, bundler));
    },
    fail: (_, error) => {
      throw error;
    },
    hooks: {
      // rolldown says it.
      options: (given) => {
        const platform = "platform" in given ? given.platform : null;
        if (platform === "node" || platform === "browser") state.target = platform;
        return null;
      },
      generateBundle(_, bundle, isWrite) {
        if (!isWrite) refuseLarge(usedBy(this), state);
        for (const { from, to } of soughtIn(bundle))
          this.emitFile?.({ type: "asset", fileName: to.replaceAll("\\", "/"), source: readFileSync(from) });
      },
      writeBundle({ dir, file }) {
        const folder = dir ?? (file === undefined ? state.root : dirname(file));
        const now = new Set<string>();
        for (const entry of usedBy(this))
          for (const one of entry.files) {
            const to = join(folder, bundler.assets);
            // A build for a server may leave out its assets.
            if (isLarge(one) || !existsSync(join(to, one.path))) now.add(placeFile(entry, one, to));
          }
        placed.note(folder, now);
      },
    },
  };
  return bundler;
}

function soughtIn(bundle: Readonly<Record<string, OutputPart>>): readonly SoughtFile[] {
  return Object.entries(bundle).flatMap(([file, part]) =>
    part.type === "chunk" ? soughtWebAssembly({ file, code: () => part.code, modules: part.moduleIds }) : [],
  );
}

/** Has small files emitted under their own names: what refers to others beside it stays true. */
function emitted(
  context: LoadContext,
  entry: PlacedEntry,
  { assets, urlOf }: RollupBundler,
): Omit<ModuleParts, "web" | "host"> {
  const emit = (path: string, source: string | Uint8Array): string =>
    context.emitFile?.({ type: "asset", fileName: posix.join(assets, path), source }) ?? "";
  const references = new Map(
    entry.files
      .filter((file) => !isLarge(file))
      .map(({ path }) => [path, emit(path, readFileSync(join(entry.folder, path)))] as const),
  );
  const graph = references.get(entry.graph);
  if (graph !== undefined) return { url: urlOf(`import.meta.ROLLUP_FILE_URL_${graph}`) };
  // A graph that no memory is to hold lies beside a list of the files.
  const list = emit(`${entry.graph}.files.json`, listOf(entry));
  const beside = urlOf(`import.meta.ROLLUP_FILE_URL_${list}`);
  return { url: `new URL(${JSON.stringify(entry.graph)}, ${beside}).href` };
}

/** The files of an entry, as a small file. */
export function listOf({ files }: PlacedEntry): string {
  return JSON.stringify(files.map(({ path, size }) => ({ path, size })));
}

/** @throws BuildError BUILD_CANNOT_EMIT where a build that keeps its files in memory has large ones */
export function refuseLarge(entries: readonly PlacedEntry[], state: BuildState): void {
  const large = entries.flatMap(({ files }): readonly EntryFile[] => files.filter(isLarge));
  if (large.length === 0) return;
  const error = inputError(
    "BUILD_CANNOT_EMIT",
    {},
    {
      files: large.map(({ path }) => path),
      found: "a build that writes no files",
      fix: "have the bundler write its files",
    },
  );
  throw state.explained(error, entries[0]?.name ?? "");
}
