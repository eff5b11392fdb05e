import type { Value } from "../../ir/value.ts";
import type { Layer } from "../decoder.ts";
import { headNorms, normBehind } from "./around.ts";
import { recognizeNorm } from "./norm.ts";

/** Where a norm stands in a layer. */
export type NormPlace =
  "before attention" | "behind attention" | "before mlp" | "behind mlp" | "of queries" | "of keys";

/** The norms of a layer by where they stand: what each of them makes, its weight included. */
export function normsIn({ attention, mlp }: Layer): ReadonlyMap<NormPlace, Value> {
  const found = new Map<NormPlace, Value>();
  const put = (place: NormPlace, value: Value | undefined): void => {
    if (value !== undefined) found.set(place, value);
  };
  if (attention?.kind === "attention") {
    const { input } = attention.region;
    put("before attention", recognizeNorm(input) === null ? undefined : input);
    put("behind attention", normBehind(attention.region)?.output);
    const { q, k } = headNorms(attention);
    put("of queries", q?.output);
    put("of keys", k?.output);
  }
  if (mlp !== null && mlp.kind !== "site") {
    const { input } = mlp.region;
    // Parallel blocks read one norm, which has the attention's name; Cohere's, Phi's.
    const isOwn = attention?.kind !== "attention" || attention.region.input !== input;
    put("before mlp", !isOwn || recognizeNorm(input) === null ? undefined : input);
    put("behind mlp", normBehind(mlp.region)?.output);
  }
  return found;
}

/** Names of norms that say where one stands in every family. */
const anywhere: ReadonlyMap<string, NormPlace> = new Map([
  ["input_layernorm", "before attention"],
  ["pre_feedforward_layernorm", "before mlp"],
  ["post_feedforward_layernorm", "behind mlp"],
  ["post_self_attn_layernorm", "behind attention"],
  ["post_mlp_layernorm", "behind mlp"],
  ["self_attn.q_norm", "of queries"],
  ["self_attn.k_norm", "of keys"],
  ["self_attn.q_layernorm", "of queries"],
  ["self_attn.k_layernorm", "of keys"],
] as const);

/**
 * Where a layer's norm of a name stands. `post_attention_layernorm` is in front of the MLP in Llama and GLM4, and
 * behind attention in Gemma and OLMo 2: what stands in the layer says which, and where both do, what the other norms of
 * the checkpoint are called.
 *
 * @param names of all norms of the checkpoint, below their layers
 * @returns the place; null for a name that no family has; for one that may mean two, why
 */
export function placeOfNorm(
  name: string,
  there: ReadonlyMap<NormPlace, Value>,
  names: ReadonlySet<string>,
): NormPlace | null | { readonly why: string } {
  const isSandwich = there.has("behind attention") && there.has("before mlp");
  // A Llama has no such norm beside what it calls post_attention_layernorm.
  if (name === "pre_feedforward_layernorm" && !there.has("behind attention")) return null;
  if (name !== "post_attention_layernorm") return anywhere.get(name) ?? null;
  if (!isSandwich) return there.has("before mlp") ? "before mlp" : "behind attention";
  if (names.has("post_self_attn_layernorm") || names.has("post_mlp_layernorm")) return "before mlp";
  if (names.has("pre_feedforward_layernorm") || names.has("post_feedforward_layernorm"))
    return "behind attention";
  return {
    why: "the layer has a norm behind attention and one in front of the MLP, and the checkpoint names no other norm that tells which of the two is meant",
  };
}
