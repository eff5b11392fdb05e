import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { buildError } from "./build-error.ts";
import { Cache, type Found } from "./cache.ts";
import { compileProcess } from "./compile-process.ts";
import { divided, idOf, type ImportRequest } from "./import-id.ts";
import { importPlace } from "./importer.ts";
import type { PluginOptions, Target } from "./options.ts";
import { ownVersion } from "./paths.ts";
import { TypesFile } from "./types-file.ts";

/** What a build of any bundler has of the plugin: where its project is, and which imports it has seen. */
export class BuildState {
  readonly options: PluginOptions;
  /** The project's folder. */
  root = process.cwd();
  /** What the bundler builds for; null where it does not say it. */
  target: Target | null = null;
  readonly #requests = new Map<string, ImportRequest>();
  #cache: Cache | undefined;
  #types: TypesFile | undefined;
  #isBegun = false;

  constructor(options: PluginOptions) {
    this.options = options;
  }

  /** The folder of what was compiled, without symbolic links: bundlers know files by what those lead to. */
  get cacheFolder(): string {
    const { cache } = this.options;
    return withoutLinks(
      cache === undefined
        ? join(packageAbove(this.root), "node_modules", ".cache", "tfc")
        : resolve(this.root, cache),
    );
  }

  /**
   * The id of what an import asks for.
   *
   * @param find finds a file as the bundler does, where it can
   */
  async idOf(
    specifier: string,
    importer: string | undefined,
    find: (path: string) => Promise<string | null>,
  ): Promise<string> {
    const [path, query] = divided(specifier);
    const model = await this.#model(path, importer, find);
    const request = { model, query, specifier, importer: importer?.replace(/[?#].*$/, "") ?? null };
    const id = idOf(request);
    this.#requests.set(id, request);
    return id;
  }

  /** What an id stands for. */
  requestOf(id: string): ImportRequest {
    const request = this.#requests.get(id);
    if (request === undefined) throw new Error(`tfc: ${id} was not asked for in this build; build anew`);
    return request;
  }

  /** Where types are written down for editors; null where nobody wants them. */
  get types(): TypesFile | null {
    const { types = "tfc-env.d.ts" } = this.options;
    return types === false ? null : (this.#types ??= new TypesFile(resolve(this.root, types)));
  }

  /** Begins a build. One that begins again is of somebody who changes things. */
  begin(): void {
    if (this.#isBegun) compileProcess.keep();
    this.#isBegun = true;
    this.types?.clean();
  }

  /** The compiled model. @throws BuildError */
  async compiled(request: ImportRequest): Promise<Found> {
    this.#cache ??= new Cache(this.cacheFolder, this.options, this.root, ownVersion());
    try {
      return await this.#cache.get(request);
    } catch (error) {
      throw this.explained(error, request.model, request);
    }
  }

  /** An error as the bundler shows it. @param request the import that it is about, where it is about one */
  explained(error: unknown, model: string, request?: ImportRequest): unknown {
    return buildError(error, model, request === undefined ? null : importPlace(request));
  }

  async #model(
    path: string,
    importer: string | undefined,
    find: (path: string) => Promise<string | null>,
  ): Promise<string> {
    const from = importer === undefined ? join(this.root, "index.js") : importer.replace(/[?#].*$/, "");
    if (/^\.\.?\//.test(path)) return resolve(dirname(from), path);
    if (isAbsolute(path)) return existsSync(path) ? path : this.#inRoot(path);
    const found = await find(path);
    if (found !== null) return found.replace(/[?#].*$/, "");
    try {
      return createRequire(from).resolve(path);
    } catch {
      // The compiler says that it is not there.
      return resolve(dirname(from), path);
    }
  }

  /** `/models/llama.onnx` may be meant from the project's folder, as vite has it. */
  #inRoot(path: string): string {
    const inRoot = join(this.root, path);
    return existsSync(inRoot) ? inRoot : path;
  }
}

/** What a path leads to, whose last parts may not be there yet. */
function withoutLinks(path: string): string {
  const missing: string[] = [];
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at)) return join(realpathSync(at), ...missing);
    if (at === dirname(at)) return path;
    missing.unshift(basename(at));
  }
}

/** The folder of the package that a folder is in; itself where it is in none. */
function packageAbove(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, "package.json"))) return at;
    if (at === dirname(at)) return folder;
  }
}
