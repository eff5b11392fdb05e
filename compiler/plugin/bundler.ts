import type { PlacedEntry } from "./entry.ts";
import type { ModuleParts } from "./module-text.ts";
import type { Target } from "./options.ts";

/** What is used of the context that a bundler gives its hooks. */
export interface LoadContext {
  addWatchFile(file: string): void;
  warn?(message: string): void;
  /** Of rollup and its kin. @returns what stands for the file in the code */
  emitFile?(file: {
    readonly type: "asset";
    readonly fileName: string;
    readonly source: string | Uint8Array;
  }): string;
  /** Of rollup and its kin. */
  resolve?(
    path: string,
    importer: string | undefined,
    options: { readonly skipSelf: boolean },
  ): Promise<{ readonly id: string; readonly external?: boolean | string } | null>;
  /** Of esbuild, which goes on and shows all errors. */
  error?(message: { readonly message: string }): void;
  /** Of rollup and its kin, at the end of a build. */
  getModuleIds?(): IterableIterator<string>;
  /** Of vite. */
  readonly environment?: { readonly config: { readonly consumer: string } };
}

/** How one bundler takes files, and errors. */
export interface Bundler {
  /** What a module is built for; null where the bundler does not say it. */
  target(context: LoadContext): Target | null;
  /** Has the files of a model put beside the build's own, and tells how the module of an id gets at them. */
  parts(
    context: LoadContext,
    entry: PlacedEntry,
    target: Target | null,
    id: string,
  ): Promise<Omit<ModuleParts, "web" | "host">>;
  /** Whether a file is to be watched: left out for all. */
  watches?(file: string): boolean;
  /** Tells of an error. @returns a module in place of the one that there is not @throws the error, where that tells of it */
  fail(context: LoadContext, error: unknown): string;
}
