import type { Node } from "../../ir/node.ts";
import { has } from "../../ops/table.ts";
import { isActivation } from "../mlp/activation.ts";
import type { Moe } from "./moe.ts";
import { scoresOfExperts } from "./router.ts";

/**
 * What the nodes of a mixture make that compute with the weights of several experts, as transformers calls it:
 * `experts.down_proj` behind the activation, `experts.gate_proj` or `experts.gate_up_proj` in front of it,
 * `experts.up_proj` of what is only multiplied with it; `experts` of an op that does all of it. Products between which
 * no activation is found, as where a kernel has it inside, are left out: nothing tells them apart.
 */
export function expertProductsOf({
  products,
  router,
  region,
}: Moe): readonly (readonly [node: Node, role: string])[] {
  if (scoresOfExperts(router.choice) !== null) return [[router.choice, "experts"]];
  const inside = new Set(region.nodes);
  const own = new Set(products);
  const ways = new Map(products.map((node) => [node, wayFrom(node, own, inside)] as const));
  const down = new Set([...ways.values()].flatMap((way) => (way.isActivated ? way.next : [])));
  const before = [...ways].filter(([node, { next }]) => !down.has(node) && next.some((one) => down.has(one)));
  const isApart = before.some(([, { isActivated }]) => !isActivated);
  return [
    ...[...down].map((node) => [node, "experts.down_proj"] as const),
    ...before.map(([node, { isActivated, isCut }]) => {
      if (!isActivated) return [node, "experts.up_proj"] as const;
      const role = isApart ? "gate_proj" : isCut ? "gate_up_proj" : "up_proj";
      return [node, `experts.${role}`] as const;
    }),
  ];
}

/** The way from a product to the next ones. */
interface Way {
  readonly next: readonly Node[];
  /** Whether an activation lies on it. */
  readonly isActivated: boolean;
  /** Whether the product is cut into parts on it. */
  readonly isCut: boolean;
}

function wayFrom(from: Node, products: ReadonlySet<Node>, inside: ReadonlySet<Node>): Way {
  const between = new Set<Node>();
  const next = new Set<Node>();
  const pending = [...from.outputs];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const node of at.users) {
      if (!inside.has(node) || between.has(node)) continue;
      if (products.has(node)) next.add(node);
      else {
        between.add(node);
        pending.push(...node.outputs);
      }
    }
  }
  return {
    next: [...next],
    isActivated: [...between].some((node) => isActivation(node)),
    isCut: [...between].some((node) => has(node, "cut")),
  };
}
