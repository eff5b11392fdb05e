import type { Graph } from "../ir/graph.ts";
import type { Func, Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { nodesDeep } from "../ir/walk.ts";
import { KV_LENGTH_KEY } from "../ops/kv.ts";
import { UNPADDED_KEY } from "../ops/unpadded.ts";
import { LOWERED_KEY } from "../ops/providers.ts";
import { opOf, ops } from "../ops/table.ts";

/** What `for` has made of a model. */
export interface Lowered {
  /** The execution provider it was lowered for. */
  readonly for: string;
  /** Positions in its shared caches; missing where caches are concatenated. */
  readonly maxLength?: number;
  /** Whether its row holds no padding; missing where it may. */
  readonly unpadded?: boolean;
  /** How often it computes each op that `for` writes, by name: `{ Attention: 6, RMSNormalization: 13 }`. */
  readonly ops: Readonly<Record<string, number>>;
}

/** Ops that `for` writes, in the order in which they are told. */
const written = [
  ...["Attention", "com.microsoft::GroupQueryAttention", "RotaryEmbedding", "RMSNormalization"],
  ...["LayerNormalization", "com.microsoft::SkipSimplifiedLayerNormalization"],
  "com.microsoft::SkipLayerNormalization",
] as const;

type Counts = ReadonlyMap<string, number>;

/** Counts the ops that `for` has written into a model, through the functions it calls. */
export class LoweredOps {
  readonly #model: Model;
  readonly #known = new Map<Func, Counts>();

  constructor(model: Model) {
    this.#model = model;
  }

  /** Null of a model that was not lowered. */
  ofModel(): Lowered | null {
    const { meta, graph } = this.#model;
    const [provider, length] = [meta.get(LOWERED_KEY), meta.get(KV_LENGTH_KEY)];
    if (provider === undefined) return null;
    const counted = {
      ...{ for: provider, ops: inOrder(this.#in(graph)) },
      ...(meta.has(UNPADDED_KEY) ? { unpadded: true } : {}),
    };
    return length === undefined ? counted : { ...counted, maxLength: Number(length) };
  }

  /** How often a node, which may be a call, computes each of them. */
  ofNode(node: Node): Readonly<Record<string, number>> {
    return inOrder(this.#at(node));
  }

  #in(graph: Graph): Counts {
    const counts = new Map<string, number>();
    for (const node of nodesDeep(graph))
      for (const [op, count] of this.#at(node)) counts.set(op, (counts.get(op) ?? 0) + count);
    return counts;
  }

  #at(node: Node): Counts {
    // It has a second way inside, for what the op does not take.
    const isGrouped = opOf(node) === ops.get("tfc::GroupQueryAttention");
    const op = isGrouped ? "com.microsoft::GroupQueryAttention" : node.op;
    if (written.some((one) => one === op)) return new Map([[op, 1]]);
    const callee = this.#model.callee(node);
    if (callee === undefined) return new Map();
    const known = this.#known.get(callee) ?? this.#in(callee.body);
    this.#known.set(callee, known);
    return known;
  }
}

/** `6 Attention, 13 RMSNormalization`, without domains. */
export function countsText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([op, count]) => `${count} ${op.replace("com.microsoft::", "")}`);
  return parts.length === 0 ? "none of the ops that `for` writes" : parts.join(", ");
}

function inOrder(counts: Counts): Readonly<Record<string, number>> {
  return Object.fromEntries(
    written.flatMap((op) => {
      const count = counts.get(op);
      return count === undefined ? [] : [[op, count] as const];
    }),
  );
}
