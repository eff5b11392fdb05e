import type { AdapterEntry, CompileOptions } from "../compile/compile.ts";

/**
 * What `tfc.config.ts` or `tfc.config.json` says: options of `tfc compile` under the names they have in code, paths
 * relative to the file.
 */
export interface TfcConfig {
  readonly adapters?: readonly AdapterEntry[];
  readonly replace?: readonly Omit<AdapterEntry, "kind">[];
  readonly load?: string | readonly string[];
  readonly residence?: CompileOptions["residence"];
  readonly members?: number;
  readonly seed?: number;
  readonly weights?: CompileOptions["weights"];
  readonly strict?: boolean;
  readonly lowerPagedAttention?: boolean;
}

/**
 * Says of an object that it is a configuration, for a `tfc.config.ts` that editors complete and check.
 *
 * @example
 * ```ts
 * import { defineConfig } from "@tokenformer/tfc/config";
 *
 * export default defineConfig({ adapters: [{ kind: "scalarlm", sites: "mlp" }] });
 * ```
 */
export function defineConfig(config: TfcConfig): TfcConfig {
  return config;
}
