import type { ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import type { WeightTensor } from "../../compiler/weights/weight.ts";

/** Parameters with a row for each token. A vocabulary grows in all of them that a checkpoint has. */
const tables = ["model.embed_tokens.weight", "lm_head.weight"] as const;
const ofTokens: ReadonlySet<string> = new Set<string>([...tables, "lm_head.bias"]);

/** How many tokens a checkpoint's embeddings and head have where both are there and agree; else null. */
export function vocabularyOf(weights: ReadonlyMap<string, WeightTensor>): number | null {
  const [embeddings, head] = tables.map((name) => weights.get(name)?.shape[0]);
  return embeddings !== undefined && embeddings === head ? embeddings : null;
}

/** A place as a parameter of another vocabulary has it; of every other parameter as it is. */
export function placeOfVocabulary(
  name: string,
  place: ParameterPlace,
  tokens: number | null,
): ParameterPlace {
  if (tokens === null || !ofTokens.has(name) || place.packed !== null) return place;
  return { ...place, shape: [tokens, ...place.shape.slice(1)] };
}
