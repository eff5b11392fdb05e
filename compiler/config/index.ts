import type { AdapterEntry, CompileOptions } from "../compile/compile.ts";

/**
 * The contents of a `tfc.config.ts` or `tfc.config.json`: options of `tfc compile` under the names they have in code.
 * Paths are relative to the file.
 */
export interface TfcConfig {
  /** Fresh adapters, of one kind or several. */
  readonly adapters?: readonly AdapterEntry[];
  /** Projections, and MLPs, that become token-parameter attention. */
  readonly replace?: readonly Omit<AdapterEntry, "kind">[];
  /** Trained adapters: a file or folder; several in a bank. */
  readonly load?: string | readonly string[];
  /** Where the adapters' weights are. */
  readonly residence?: CompileOptions["residence"];
  /** How many fresh adapters a bank holds. */
  readonly members?: number;
  /** Seed of the numbers that fresh adapters begin with. */
  readonly seed?: number;
  /** Where the base's weights go. */
  readonly weights?: CompileOptions["weights"];
  /** Makes every warning an error. */
  readonly strict?: boolean;
  /** Writes what plain ops compute as the ops that this execution provider has kernels for. */
  readonly for?: CompileOptions["for"];
  /** Converts a model of float32. */
  readonly dtype?: CompileOptions["dtype"];
  /** The type of the float inputs and outputs of a model that is converted. */
  readonly ioDtype?: CompileOptions["ioDtype"];
  /** Quantizes the weights of projections and of the head to integers of 4 or 8 bits. */
  readonly quantize?: CompileOptions["quantize"];
  /** How many inputs share a scale of quantized weights: 16, 32, 64, 128 or 256. */
  readonly block?: number;
  /** Quantizes around 0; else each block has a zero point. */
  readonly symmetric?: boolean;
  /** Writes q, k and v, and gate and up, as one product each. */
  readonly pack?: boolean;
  /** How many rows the graph takes. */
  readonly batch?: number;
  /** With `batch: 1`, whether the row holds tokens only, none of padding. */
  readonly unpadded?: boolean;
  /** With `for`, how keys and values are kept from step to step. */
  readonly kv?: CompileOptions["kv"];
  /** Positions in a shared cache. */
  readonly maxLength?: number;
  /** Computes logits of chosen positions only. */
  readonly lastLogits?: CompileOptions["lastLogits"];
  /** Makes the graph a loop that generates. */
  readonly decodeLoop?: boolean;
  /** Writes a TypeScript module for the compiled graph: a path that ends in `.ts`. */
  readonly bindings?: string;
  /** Writes paged attention with standard ops. */
  readonly lowerPagedAttention?: boolean;
}

/**
 * Gives back the configuration it is given; in a `tfc.config.ts`, editors complete and check it.
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
