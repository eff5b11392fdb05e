import { type Rule, type RuleRow } from "../rule.ts";
import { groupedQueryRule } from "./attention/grouped-query.ts";
import { multiHeadRule } from "./attention/multi-head.ts";
import { standardRule } from "./attention/standard.ts";

/** An op that belongs to steps with a cache, which whole sequences do not have. */
function refused(why: string): Rule {
  return { by: () => [0, 1, 2], refuses: () => why, write: () => undefined };
}

const paged = refused("it reads keys and values in pages");

/** Ops that are attention by definition. */
export const attentionRules: readonly RuleRow[] = [
  ["Attention", standardRule],
  ["com.microsoft::GroupQueryAttention", groupedQueryRule],
  ["com.microsoft::MultiHeadAttention", multiHeadRule],
  ["com.microsoft::DecoderMaskedMultiHeadAttention", refused("it decodes one token at a time")],
  ["com.microsoft::SparseAttention", refused("it writes into a buffer of keys and values")],
  ["com.microsoft::PagedAttention", paged],
  ["vllm::unified_attention", paged],
];
