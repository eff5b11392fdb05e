/** Execution providers of onnxruntime that graphs are lowered for. */
export const providers = ["cpu", "cuda"] as const;

/** An execution provider. */
export type Provider = (typeof providers)[number];
