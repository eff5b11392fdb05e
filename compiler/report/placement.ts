import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import { ONNXRUNTIME_VERSION } from "../ops/kernels/kernels-data.ts";
import type { FlatNode } from "../ops/placement/flat.ts";
import { placementOf, type Placement } from "../ops/placement/placement.ts";
import { providers, type Provider } from "../ops/providers.ts";
import type { Part, PartKind, ProviderPlacement } from "./data.ts";
import type { Off } from "./drawer.ts";
import type { Parts } from "./parts.ts";

/** Where the nodes run, for each provider. */
export type Placements = ReadonlyMap<Provider, Placement>;

/** Places the nodes of a model as it is in its file; a provider is left out where they are too many. */
export function placementsOf(model: Model): Placements {
  const found = new Map<Provider, Placement>();
  for (const provider of providers) {
    const placement = placementOf(model, provider);
    if (placement !== null) found.set(provider, placement);
  }
  return found;
}

/** Why nodes do not run on a provider. A function's node may run in one call alone: then the reason of another stands. */
export function offOf(placements: Placements): ReadonlyMap<Node, Off> {
  const off = new Map<Node, Record<string, string>>();
  for (const [provider, { nodes }] of placements) {
    for (const { node, reason } of nodes) {
      if (reason === null) continue;
      const known = off.get(node.node) ?? {};
      off.set(node.node, known);
      known[provider] ??= reason;
    }
  }
  return off;
}

/** The summary of each provider, by op and by module. */
export function placementRows(placements: Placements, parts: Parts): readonly ProviderPlacement[] {
  const byName = new Map(parts.parts.map((part) => [part.name, part]));
  return [...placements].map(([provider, { nodes, copies }]) => {
    const modules = new Map<string, { label: string; kind: PartKind; on: number; off: number }>();
    const reasons = new Map<string, { op: string; reason: string; count: number }>();
    for (const { node, reason } of nodes) {
      const part = partAt(node, parts, byName);
      const [label, kind] = [labelOf(part), part?.kind ?? "graph"];
      const key = kind === "experts" ? `${label} of experts` : label;
      const row = modules.get(key) ?? { label, kind, on: 0, off: 0 };
      modules.set(key, row);
      row[reason === null ? "on" : "off"]++;
      if (reason === null) continue;
      const why = `${node.op} ${reason}`;
      const one = reasons.get(why) ?? { op: node.op, reason, count: 0 };
      reasons.set(why, one);
      one.count++;
    }
    const off = nodes.filter(({ reason }) => reason !== null).length;
    return {
      provider,
      onnxruntime: ONNXRUNTIME_VERSION,
      on: nodes.length - off,
      off,
      copies: { in: copies.in.length, out: copies.out.length },
      reasons: [...reasons.values()].toSorted((a, b) => b.count - a.count),
      modules: [...modules.values()],
    };
  });
}

/** The part that a node stands in: of a function's node the one that is the call, or has it. */
function partAt(
  { node, call, outermost }: FlatNode,
  { ofNode, parts }: Parts,
  byName: ReadonlyMap<string, Part>,
): Part | null {
  let outer = call;
  while (outer?.outer != null) outer = outer.outer;
  const called = outer === null ? undefined : byName.get(outer.name);
  const index = ofNode.get(node) ?? ofNode.get(outermost);
  return called ?? (index === undefined ? null : (parts[index] ?? null));
}

/** What a module is called in every layer. */
function labelOf(part: Part | null): string {
  if (part === null || part.kind === "graph") return "outside of modules";
  if (part.kind === "layer") return "between modules";
  return part.name.replace(/^.*\.layers\.\d+\./, "").replace(/ \(\d+\)$/, "");
}
