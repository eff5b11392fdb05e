import type { KindName } from "../adapters/kind.ts";
import type { SiteRef } from "../sites/site.ts";
import type { WeightTensor } from "./weight.ts";

/** The adapter at one place of a decoder. */
export interface AdapterPart {
  readonly site: SiteRef;
  /** Name of the adapter kind: `scalarlm`, `pattention`, `lora`. */
  readonly kind: KindName;
  /**
   * What the kind needs to know besides the leaves' shapes, as far as the file says it: `{ "alpha": 16, "rslora":
   * false }` for lora, `{ "norm": "l2_norm_gelu", "tau": 8 }` for pattention. Plain JSON.
   */
  readonly settings: Readonly<Record<string, unknown>>;
  /** By the leaf's name below the module: `tokenformer_k`, `lora_A.weight`, `key_param_tokens`. */
  readonly leaves: ReadonlyMap<string, WeightTensor>;
  /** Whether it was trained in place of what the base has there; left out where the file does not say so. */
  readonly replaces?: boolean;
}

/** The words for {@link AdapterFormat}. */
export const adapterFormats = ["safetensors", "torch", "peft", "onnx_adapter"] as const;
/**
 * A format of adapter files: safetensors (tfc's own, with all settings, or any state dict), a PyTorch checkpoint as
 * ScalarLM's trainer writes it, a PEFT folder, or the `.onnx_adapter` of onnxruntime.
 */
export type AdapterFormat = (typeof adapterFormats)[number];

/** Adapters as a file has them, whatever its format. No leaf is read before it is needed. */
export interface AdapterFile {
  /** The file or folder, as it was given. */
  readonly file: string;
  readonly format: AdapterFormat;
  readonly parts: readonly AdapterPart[];
  /**
   * Weights of the base that were trained along and replace its own, by the name and in the layout that Hugging Face
   * gives them: `model.layers.0.self_attn.q_proj.weight` `[out, in]`, `model.norm.weight`, `lm_head.weight`.
   */
  readonly overrides: ReadonlyMap<string, WeightTensor>;
  /**
   * Whether a head that shares the embeddings follows them where they alone are overridden. So it is in a state dict,
   * which holds a shared parameter once; PEFT saves a copy of the module, and leaves the head what it was.
   */
  readonly headFollows: boolean;
  /** The base that the adapters belong to, as {@link fingerprintText} writes it; null where the file does not say. */
  readonly base: string | null;
  /** Whether the file is a checkpoint of training, of which the optimizer's state is left out. */
  readonly isCheckpoint?: boolean;
  /**
   * Whether a site of the model that the adapters were trained for has a leaf in the file, where the file says it (a
   * PEFT folder's config does). A site of another model that should have one and has none tells the models apart.
   */
  readonly expects?: (site: SiteRef) => boolean;
}
