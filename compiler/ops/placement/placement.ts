import type { Model } from "../../ir/model.ts";
import type { Provider } from "../providers.ts";
import { copiesIn } from "./copies.ts";
import type { FlatNode, FlatValue, Scope } from "./flat.ts";
import { flatten } from "./flatten.ts";
import { refusal, runsInFloat, type Reason } from "./refusal.ts";
import { shapeNodes } from "./shape-nodes.ts";

/** Where a node runs. */
export interface PlacedNode {
  readonly node: FlatNode;
  /** Null where no provider has a kernel: onnxruntime writes the op out in others, or refuses the model. */
  readonly provider: Provider | null;
  /** Why it is not on the provider that was asked for; null where it is. */
  readonly reason: Reason | null;
}

/** Where onnxruntime puts each node of a model, and what it copies between. */
export interface Placement {
  readonly nodes: readonly PlacedNode[];
  readonly copies: { readonly in: readonly FlatValue[]; readonly out: readonly FlatValue[] };
}

/**
 * Predicts where onnxruntime's execution providers run the nodes of a model as it is written, before any of
 * onnxruntime's own rewriting. Null where its functions, written out, would have too many nodes.
 */
export function placementOf(model: Model, provider: Provider): Placement | null {
  const main = flatten(model, provider);
  if (main === null) return null;
  const scopes = scopesIn(main);
  const placed = scopes.map((scope) => placeIn(scope, provider));
  return {
    nodes: placed.flatMap(({ nodes }) => nodes),
    copies: {
      in: placed.flatMap(({ copies }) => copies.in),
      out: placed.flatMap(({ copies }) => copies.out),
    },
  };
}

/** A graph and those inside it. */
function scopesIn(main: Scope): readonly Scope[] {
  const scopes = [main];
  // The list grows while it is walked.
  for (const scope of scopes) for (const node of scope.nodes) scopes.push(...node.scopes);
  return scopes;
}

/**
 * Whether onnxruntime keeps arithmetic on shapes on the CPU. WebGPU it asks twice, since that prefers another layout, and
 * at the second time it takes what it left at the first.
 */
const keepsShapes: Readonly<Record<Provider, boolean>> = { cpu: false, cuda: true, webgpu: false };

function placeIn(scope: Scope, provider: Provider): Placement {
  const refused = new Map<FlatNode, Reason | null>();
  for (const node of scope.nodes) refused.set(node, refusal(node, provider));
  const capable = new Set(scope.nodes.filter((node) => refused.get(node) === null));
  if (keepsShapes[provider])
    for (const node of shapeNodes(scope, capable, provider)) refused.set(node, "shapes");
  const nodes = scope.nodes.map((node): PlacedNode => {
    const reason = refused.get(node) ?? null;
    if (reason === null) return { node, provider, reason };
    if (reason === "shapes" || refusal(node, "cpu") === null) return { node, provider: "cpu", reason };
    return runsInFloat(node) ? { node, provider: "cpu", reason: "casts" } : { node, provider: null, reason };
  });
  const onDevice = new Set(nodes.filter((one) => one.provider === provider).map(({ node }) => node));
  return { nodes, copies: provider === "cpu" ? { in: [], out: [] } : copiesIn(scope, onDevice, provider) };
}
