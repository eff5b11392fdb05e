import { dirname, join, resolve } from "node:path";
import type { CompileOptions } from "../compile/compile.ts";
import { checkCompileOptions } from "../compile/options.ts";
import { optionsOf } from "../config/flag-options.ts";
import { configOf, readConfig, type ConfigOptions } from "../config/read.ts";
import { givenBy, inConfigWords } from "../config/words.ts";
import { configFile } from "./config-file.ts";
import type { PluginOptions, Target } from "./options.ts";
import type { ImportRequest } from "./import-id.ts";
import { readQuery } from "./words.ts";

/** A request as the compiler takes it. */
export interface CompileRequest {
  readonly options: CompileOptions;
  /** The configuration that it was made with; null for none, or for one that is no file. */
  readonly config: string | null;
  readonly target: Target | null;
  readonly isInline: boolean;
  /** An error of the library, in the words of who gave the option. */
  readonly explain: (error: unknown) => unknown;
}

/**
 * Makes options of an import's query, the configuration, and what the plugin was given.
 *
 * @param root the project's folder, from which the plugin's paths count
 * @throws TfcError OPTION_*, CONFIG_INVALID, FILE_NOT_FOUND
 */
export async function compileRequest(
  request: ImportRequest,
  plugin: PluginOptions,
  root: string,
): Promise<CompileRequest> {
  const { model, query } = request;
  const { flags, target, isInline } = readQuery(query);
  const file = configFile(request, plugin, root);
  const config: ConfigOptions =
    file !== null
      ? await readConfig(file, { isFresh: true })
      : typeof plugin.config === "object"
        ? configOf(plugin.config, join(root, "the plugin's config"))
        : {};
  const given = optionsOf(model, inFolder(flags, dirname(model)), config);
  // Weights of the base are linked: a build has its own folder for them. Of what is written anew a part stays as it is,
  // which alone is copied.
  const isAnew = given.quantize !== undefined || given.dtype !== undefined || given.pack === true;
  const options = { weights: isAnew ? ("copy" as const) : ("link" as const), ...given };
  const explain = (error: unknown): unknown =>
    file === null ? error : inConfigWords(error, file, givenBy(config, options, flags));
  checkCompileOptions(options);
  return { options, config: file, target, isInline, explain };
}

/** Paths in a query count from the model. */
function inFolder<F extends { readonly load?: readonly string[] }>(flags: F, folder: string): F {
  const { load } = flags;
  return load === undefined ? flags : { ...flags, load: load.map((path) => resolve(folder, path)) };
}
