import type { KindName } from "../../adapters/index.ts";
import { siteName } from "../../sites/names.ts";
import type { AdapterFile, AdapterFormat } from "../../weights/adapter-file.ts";
import { finiteBytes, namedWeights } from "../../weights/file-weights.ts";
import { readAdapter, type Hints } from "../../weights/read-adapter.ts";
import { sizeOf, type WeightTensor } from "../../weights/weight.ts";
import { checkGiven, holds, type Checks } from "../check-given.ts";

/** Element type and shape of a weight. */
export interface WeightType {
  /** ONNX's name: `float`, `float16`, `bfloat16`, … */
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** What is in an adapter file or folder. */
export interface AdapterListing {
  /** The path as it was given. */
  readonly file: string;
  readonly format: AdapterFormat;
  /** The adapter at each site. */
  readonly parts: readonly {
    /** `model.layers.0.mlp`, `model.layers.0.self_attn.q_proj` */
    readonly site: string;
    readonly kind: KindName;
    /** Options of the kind, such as `{ rank: 8, alpha: 16 }`. */
    readonly settings: Readonly<Record<string, unknown>>;
    /** Its parameters by name, such as `lora_A.weight`. */
    readonly leaves: Readonly<Record<string, WeightType>>;
  }[];
  /** Weights of the base that were trained along and replace its own, by the names of Hugging Face. */
  readonly overrides: Readonly<Record<string, WeightType>>;
  /** Numbers in all leaves, and in all overrides. */
  readonly parameters: { readonly leaves: number; readonly overrides: number };
  /** Element types that occur, those of the leaves first. */
  readonly dtypes: readonly string[];
  /** The fingerprint of the base that the adapter belongs to; null where the file has none. */
  readonly base: string | null;
}

/** How to list an adapter. */
export interface ListOptions {
  /** What the file does not say of itself, such as `{ alpha: 16 }`. */
  readonly settings?: Hints;
  /** Reads all numbers, too, and refuses NaN and infinity. */
  readonly check?: boolean;
}

const checks: Checks<ListOptions> = { settings: holds.settings, check: holds.yesNo };

/**
 * Lists what is in an adapter of any format. Weights are read only where `check` asks for it.
 *
 * @param path a file or folder
 * @throws TfcError FILE_NOT_FOUND, ADAPTER_FORMAT_UNKNOWN; ADAPTER_* for a file that is not understood;
 *   ADAPTER_NOT_FINITE with the weight's name
 */
export function listAdapter(path: string, options: ListOptions = {}): AdapterListing {
  checkGiven(options, checks, "listAdapter", []);
  const adapter = readAdapter(path, options.settings);
  if (options.check === true) {
    for (const [name, tensor] of namedWeights(adapter)) finiteBytes(adapter.file, name, tensor);
  }
  return listingOf(adapter);
}

/** What is in an adapter that has been read. */
export function listingOf({ file, format, parts, overrides, base }: AdapterFile): AdapterListing {
  const leaves = parts.flatMap((part) => [...part.leaves.values()]);
  return {
    file,
    format,
    parts: parts.map((part) => ({
      site: siteName(part.site),
      kind: part.kind,
      settings: part.settings,
      leaves: typesOf(part.leaves),
    })),
    overrides: typesOf(overrides),
    parameters: { leaves: elements(leaves), overrides: elements([...overrides.values()]) },
    dtypes: [...new Set([...leaves, ...overrides.values()].map(({ dtype }) => dtype))],
    base,
  };
}

function typesOf(weights: ReadonlyMap<string, WeightTensor>): Readonly<Record<string, WeightType>> {
  return Object.fromEntries([...weights].map(([name, { dtype, shape }]) => [name, { dtype, shape }]));
}

function elements(weights: readonly WeightTensor[]): number {
  return weights.reduce((total, tensor) => total + sizeOf(tensor), 0);
}
