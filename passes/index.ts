import type { Pass } from "../compiler/pass/pass.ts";
import { injectAdapters } from "./inject-adapters.ts";
import { outlineAttention } from "./outline-attention.ts";
import { outlineMlp } from "./outline-mlp.ts";

/** Every pass, in the order in which they may run. */
export const passes: readonly Pass[] = [outlineAttention, outlineMlp, injectAdapters];

export { injectAdapters, outlineAttention, outlineMlp };
