import { isFloat, type DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { nodesDeep } from "../../ir/walk.ts";
import { viewChain } from "../flow.ts";
import { isMiss } from "../miss.ts";
import type { GraphIndex } from "../graph-index.ts";
import type { Linear } from "../linear/linear.ts";
import { weightOf } from "../linear/weight.ts";
import { activationName, isActivation } from "../mlp/activation.ts";
import { recognizeMlp, type Mlp } from "../mlp/mlp.ts";
import type { Region } from "../region.ts";
import { scoresOfExperts, type Router } from "./router.ts";

/** How experts are written. */
export type ExpertForm =
  /** each by itself, for the tokens that it has or for all */
  | "separate"
  /** products with weights of all experts in one tensor */
  | "batched"
  /** one op */
  | "op";

/** An expert that every token goes to, beside the chosen ones. */
export interface SharedExpert {
  readonly mlp: Mlp;
  /** The linear whose Sigmoid weights its result, or null. */
  readonly gate: Linear | null;
}

export interface Experts {
  readonly form: ExpertForm;
  /** As its users name it; null where the op does it inside, or where it is not understood. */
  readonly activation: string | null;
  /** Experts that are written each by itself, in the graph's order. */
  readonly separate: readonly Mlp[];
  /** Products with weights of several experts, or of one that was taken from the weights of all. */
  readonly products: readonly Node[];
  readonly shared: readonly SharedExpert[];
  /** Element type that they compute in. */
  readonly dtype: DType | null;
}

/** What is in a mixture of experts beside its router; null where nothing in it could be an expert. */
export function expertsIn(
  region: Region,
  router: Router,
  routed: ReadonlySet<Node>,
  index: GraphIndex,
): Experts | null {
  const mlps = mlpsIn(region, router, index);
  const shared = mlps.filter((mlp) => !isRouted(mlp, routed));
  const separate = mlps.filter((mlp) => isRouted(mlp, routed));
  const gates = shared.map((mlp) => gateOfShared(mlp, region, index));
  const others = new Set([router.linear, ...gates, ...mlps.flatMap(({ inputs, down }) => [...inputs, down])]);
  // Experts whose rows go through one activation together are linears, and no MLPs.
  const isOfOther = (node: Node): boolean => {
    const linear = index.linearOf(node);
    return linear !== null && (others.has(linear) || linear.node !== node || !routed.has(node));
  };
  const products = region.nodes.filter((node) => isProduct(node) && !isOfOther(node));
  const inner = region.nodes.filter((node) => routed.has(node)).flatMap((node) => productsHeldBy(node));
  const isFused = scoresOfExperts(router.choice) !== null;
  const [first] = products;
  if (!isFused && separate.length === 0 && inner.length === 0 && first === undefined) return null;
  return {
    form: isFused ? "op" : separate.length > 0 || first === undefined ? "separate" : "batched",
    activation:
      separate[0]?.activation ??
      (isFused ? activationOf(router.choice) : activationBetween(products, region)),
    separate,
    products,
    shared: shared.map((mlp, i) => ({ mlp, gate: gates[i] ?? null })),
    dtype:
      separate[0]?.dtype ??
      typeOfWeights([...products, ...inner]) ??
      shared[0]?.dtype ??
      (isFused ? typeOfScores(router) : null),
  };
}

/** Whether a node that depends on a choice could be an expert, or of one. */
export function isExpert(node: Node, index: GraphIndex): boolean {
  return (
    scoresOfExperts(node) !== null ||
    index.linearOf(node) !== null ||
    isProduct(node) ||
    productsHeldBy(node).length > 0
  );
}

/** The MLPs that a region is made of, by what they end in. */
function mlpsIn({ nodes }: Region, router: Router, index: GraphIndex): readonly Mlp[] {
  const linears = new Set<Linear>();
  for (const node of nodes) {
    const linear = index.linearOf(node);
    if (linear !== null && linear !== router.linear) linears.add(linear);
  }
  return [...linears].flatMap((linear) => {
    const mlp = recognizeMlp(linear, index);
    return mlp === null || isMiss(mlp) ? [] : [mlp];
  });
}

/** Whether an MLP has chosen tokens, or gives a result that is weighted by the choice. */
function isRouted(mlp: Mlp, routed: ReadonlySet<Node>): boolean {
  const { producer } = mlp.inputs[0]?.input ?? { producer: null };
  if (producer !== null && routed.has(producer)) return true;
  const seen = new Set<Value>();
  const pending = [mlp.down.output];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    for (const node of at.users) {
      if (node.op === "Add" || node.op === "Sum") continue;
      if (routed.has(node)) return true;
      pending.push(...node.outputs);
    }
  }
  return false;
}

/** The linear behind the Sigmoid that a shared expert's result is multiplied by. */
function gateOfShared(mlp: Mlp, { nodes }: Region, index: GraphIndex): Linear | null {
  const inside = new Set(nodes);
  for (const node of [...mlp.down.output.users, ...mlp.region.output.users]) {
    if (!inside.has(node) || node.op !== "Mul") continue;
    for (const value of node.inputs) {
      const maker = value === null ? null : (viewChain(value).at(-1)?.producer ?? null);
      const scored = maker?.op === "Sigmoid" ? maker.input(0) : null;
      const source = scored === null ? null : (viewChain(scored).at(-1)?.producer ?? null);
      const linear = source === null ? null : index.linearOf(source);
      if (linear !== null) return linear;
    }
  }
  return null;
}

const productOps: ReadonlySet<string> = new Set([
  "MatMul",
  "Gemm",
  "Einsum",
  "com.microsoft::FusedMatMul",
  "com.microsoft::MatMulNBits",
]);

/** Whether a node multiplies with weights, those of one expert or of several. */
function isProduct(node: Node): boolean {
  return productOps.has(node.op) && node.inputs.some((value) => weightsBehind(value) !== null);
}

/** Products in the graphs that a node holds. */
function productsHeldBy(node: Node): readonly Node[] {
  return node.subgraphs.flatMap((graph) => [...nodesDeep(graph)].filter((inner) => productOps.has(inner.op)));
}

/** Ops that take some of a tensor's elements, or rearrange them. */
const taking: ReadonlySet<string> = new Set([
  ...[
    "Gather",
    "GatherND",
    "GatherElements",
    "Slice",
    "Split",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Reshape",
  ],
  ...["Cast", "Identity", "Expand", "DequantizeLinear"],
]);

/** The parameter, of any rank, that a value is taken from. */
function weightsBehind(value: Value | null): Value | null {
  let at = value;
  for (let steps = 0; at !== null && steps < 16; steps++) {
    if (at.constant !== undefined) return at;
    if (weightOf(at) !== null) return at;
    const node: Node | null = at.producer;
    if (node === null || !taking.has(node.op)) return null;
    at = node.input(0);
  }
  return null;
}

/** The element type of the first weights whose type is that of the product. */
function typeOfWeights(products: readonly Node[]): DType | null {
  for (const product of products) {
    for (const value of product.inputs) {
      const dtype = weightOf(value)?.dtype ?? weightsBehind(value)?.constant?.dtype;
      if (value?.producer?.op !== "Cast" && dtype !== undefined && isFloat(dtype)) return dtype;
    }
  }
  return null;
}

/** What an op computes in whose own weights are quantized: it takes scores of the type that its input has. */
function typeOfScores({ choice, linear }: Router): DType | null {
  const scores = choice.input(scoresOfExperts(choice) ?? 1);
  const chain = scores === null ? [] : viewChain(scores);
  const isSame = chain.includes(linear.output) && !chain.some(({ producer }) => producer?.op === "Cast");
  return isSame ? linear.dtype : null;
}

function activationOf(fused: Node): string | null {
  return fused.string("activation_type") ?? null;
}

/** The activation that is computed from a product of experts. */
function activationBetween(products: readonly Node[], { nodes }: Region): string | null {
  const inside = new Set(nodes);
  const seen = new Set<Node>(products);
  const pending = products.flatMap((node) => node.outputs);
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    for (const node of at.users) {
      if (!inside.has(node) || seen.has(node)) continue;
      seen.add(node);
      if (isActivation(node)) return activationName(node);
      pending.push(...node.outputs);
    }
  }
  return null;
}
