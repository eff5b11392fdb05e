/** How a graph's caller says of which positions it wants logits. */
export type LogitsForm = "count" | "rows";

export const logitsForms = ["count", "rows"] as const satisfies readonly LogitsForm[];

/**
 * The input that says so, by form, in the names of Hugging Face and vLLM.
 *
 * - `count`: how many of the last positions, int64 `[]`; 0 for all.
 * - `rows`: which positions, int64: `[logits]` of flat tokens, `[batch, logits]` of each row; below 0 from the end.
 */
export const logitsInputs: Readonly<Record<LogitsForm, string>> = {
  count: "num_logits_to_keep",
  rows: "logits_indices",
};

/** The symbol for how many positions have logits. */
export const LOGITS_DIM = "num_logits";

/** The key of a model's metadata that says in which form it asks. */
export const LOGITS_KEY = "tfc.logits";

/** Whether a graph input says of which positions logits are wanted, whoever made the graph. */
export function choosesLogits(name: string): boolean {
  return /^(num_)?logits_to_keep$|logits?_ind/.test(name);
}
