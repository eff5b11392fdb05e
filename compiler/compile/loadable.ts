import type { Sink } from "../diagnostics/sink.ts";
import type { Model } from "../ir/model.ts";
import type { FlatNode } from "../ops/placement/flat.ts";
import { placementOf } from "../ops/placement/placement.ts";
import type { Provider } from "../ops/providers.ts";

/** More ops than this are not named. */
const NAMED = 5;

/**
 * Warns of nodes for whose floating-point types no provider has a kernel: onnxruntime refuses the whole graph. What it
 * computes in float with casts around, and what is no matter of types, is none of these.
 */
export function warnOfTypes(model: Model, provider: Provider, sink: Sink): void {
  const types = new Set<string>();
  const counts = new Map<string, number>();
  for (const placed of placementOf(model, provider)?.nodes ?? []) {
    if (placed.provider !== null || placed.reason !== "types") continue;
    const own = floatsOf(placed.node);
    if (own.length === 0) continue;
    for (const type of own) types.add(type);
    counts.set(placed.node.op, (counts.get(placed.node.op) ?? 0) + 1);
  }
  if (counts.size === 0) return;
  const ops = [...counts].sort(([, a], [, b]) => b - a).map(([op, count]) => `${count} ${op}`);
  const more = ops.length > NAMED ? [`${ops.length - NAMED} more ops`] : [];
  sink.report(
    "DTYPE_NO_KERNEL",
    { file: model.loc.file },
    {
      provider,
      count: [...counts.values()].reduce((sum, count) => sum + count, 0),
      types: [...types].sort().join(", "),
      ops: [...ops.slice(0, NAMED), ...more].join(", "),
    },
  );
}

/** Floating-point types that a node reads or makes. */
function floatsOf({ types }: FlatNode): readonly string[] {
  return [...new Set(types.values())].filter((type) => type?.includes("float") === true).map(String);
}
