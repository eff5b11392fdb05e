/** ScalarLM's usual sizes. */
export const HEADS = 4;
export const RANK = 32;

/** How many adapters a bank holds. */
export const MEMBERS = 8;

/** The rank of a lora, and tokens of a pattention, that have as many parameters beside a block as a scalarlm has. */
export function sameParameters(heads = HEADS, rank = RANK) {
  // Of scalarlm heads · d, heads · d · rank and rank · d; of the others 2 · d for each rank or token.
  return Math.round((heads + heads * rank + rank) / 2);
}

const projections = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const scalarlm = { adapter: "scalarlm", settings: { heads: HEADS, rank: RANK } };

/**
 * What a model is compiled to, as options of `compile`; `id` names the files. A bank is compared with `scalarlm`, all
 * others with the base; what `none` differs from it by is the noise of two sessions.
 */
export const variants = [
  { id: "none", name: "no adapters, a control", options: { adapters: false } },
  { id: "scalarlm", name: `scalarlm, rank ${RANK}`, options: scalarlm },
  { id: "lora", name: `lora, rank ${RANK}, q and v`, options: { adapter: "lora", settings: { rank: RANK } } },
  {
    id: "lora-all",
    name: `lora, rank ${RANK}, all seven`,
    options: { adapter: "lora", sites: projections, settings: { rank: RANK } },
  },
  {
    id: "lora-same",
    name: `lora, rank ${sameParameters()}, beside blocks`,
    options: { adapter: "lora", sites: ["attn", "mlp"], settings: { rank: sameParameters() } },
  },
  {
    id: "pattention",
    name: `pattention, ${sameParameters()} tokens`,
    options: { adapter: "pattention", settings: { tokens: sameParameters() } },
  },
  { id: "inputs", name: "scalarlm inputs, size zero", options: { ...scalarlm, residence: "inputs" } },
  {
    id: "bank",
    name: `scalarlm, bank of ${MEMBERS}`,
    options: { ...scalarlm, residence: "bank", members: MEMBERS },
  },
];
