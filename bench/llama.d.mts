/** A decoder's sizes, by the names that its Hugging Face configuration has for them. */
export interface Llama {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediate: number;
  readonly vocab: number;
  /** Whether the embedding is the head, too. */
  readonly tied: boolean;
  /** Of weights and activations. */
  readonly dtype: "float" | "float16";
}

/** The models that are measured. */
export const models: Readonly<Record<string, Llama>>;

/** The file that the weights are in, beside the graph. */
export const WEIGHT_FILE: string;

/** A decoder in ONNX's textual syntax, and how many bytes its weights are. */
export function llamaGraph(
  llama: Llama,
  options?: { readonly notes?: boolean },
): { readonly text: string; readonly weightBytes: number };
