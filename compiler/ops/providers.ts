/** Execution providers of onnxruntime that graphs are lowered for. */
export const providers = ["cpu", "cuda", "webgpu"] as const;

/** The key of a model's metadata that says which provider it was lowered for. */
export const LOWERED_KEY = "tfc.for";

/** An execution provider. */
export type Provider = (typeof providers)[number];

/** The provider that a model's metadata say it was lowered for; null of one that was not. */
export function loweredFor(meta: ReadonlyMap<string, string>): Provider | null {
  return providers.find((provider) => provider === meta.get(LOWERED_KEY)) ?? null;
}
