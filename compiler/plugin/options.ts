import type { TfcConfig } from "../config/index.ts";
import { checkGiven, holds, isText, oneOf, type Checks } from "../compile/check-given.ts";

/** Where a build's modules run. */
export const targets = ["node", "browser"] as const;
export type Target = (typeof targets)[number];

/** Options of the build step. What an import says in its query counts before them. */
export interface PluginOptions {
  /**
   * A configuration, or the path of one; false for none. Default: the `tfc.config.ts` (or .mts, .js, .mjs, .json) of the
   * model's folder or of one above it, up to the one with a package.json.
   */
  readonly config?: TfcConfig | string | false;
  /** The folder that keeps what was compiled. Default: `node_modules/.cache/tfc` of the project. */
  readonly cache?: string;
  /** Where modules run. Default: what the bundler builds for. */
  readonly target?: Target;
  /** The file that types of the imports are written to; false for none. Default: `tfc-env.d.ts` of the project. */
  readonly types?: string | false;
}

const checks: Checks<PluginOptions> = {
  config: [
    "a configuration, its path, or false",
    (value) => value === false || isText(value) || (typeof value === "object" && value !== null),
  ],
  cache: holds.path,
  target: oneOf(targets),
  types: ["a path, or false", (value) => value === false || isText(value)],
};

/** @throws TfcError OPTION_UNKNOWN, OPTION_OUT_OF_RANGE, OPTION_UNKNOWN_VALUE */
export function checkPluginOptions(given: PluginOptions): void {
  checkGiven(given, checks, "the plugin", []);
}
