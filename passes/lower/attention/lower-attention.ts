import { kvForms } from "../../../compiler/ops/kv.ts";
import { providers } from "../../../compiler/ops/providers.ts";
import { choice, integer } from "../../../compiler/pass/options.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import { blocks, type BlockVisitor } from "../../../compiler/recognize/blocks.ts";
import { growing } from "./_growing.ts";
import type { LoweringOptions } from "./_lowering-options.ts";
import { sharing } from "./_shared.ts";

/**
 * Writes attention in plain ops as one op, where it is proved to be that.
 *
 * Before: `Unsqueeze, Expand, Reshape` of keys and values, `Transpose, MatMul, Mul, Add, Softmax, MatMul`.
 * After: `context = Attention <scale, softcap> (queries, keys, values, mask)`, keys and values as the cache holds them;
 * with shared caches `output, present, present = tfc.GroupQueryAttention (queries, keys, values, past, past, …)`.
 *
 * Leaves alone what is one op already, and, with a note that says why, what is not proved to be attention: sinks beside
 * the scores, masks that are not added last. With shared caches that is refused. Rotary embeddings stay as they are, but
 * for those of shared caches whose positions are counted from the past, which the op does by itself. The mask is handed on
 * as it is; a row that sees nothing gives what the op makes of it.
 */
export const lowerAttention: Pass<LoweringOptions, BlockVisitor> = {
  name: "lower-attention",
  summary: "write attention in plain ops as one op",
  options: {
    provider: choice({ help: "the execution provider", default: "cpu", of: [...providers] }),
    kv: choice({ help: "how caches are kept", default: "concat", of: [...kvForms] }),
    maxLength: integer({ help: "positions in a shared cache", default: 2048, min: 1, max: 2 ** 31 - 1 }),
  },
  stats: ["attention"],
  requires: [],
  walk: blocks,
  visitor: (context) => (context.options.kv === "shared" ? sharing(context) : growing(context)),
};
