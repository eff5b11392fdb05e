import type { DType } from "../../ir/dtype.ts";
import { asTensor } from "../../ir/type.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { readsOf } from "../../ir/walk.ts";
import { rankOf } from "../../ops/rank.ts";
import { viewChain } from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import { isMiss, miss, type Miss } from "../miss.ts";
import { regionBetween, type Region } from "../region.ts";
import { expertsIn, isExpert, type Experts } from "./experts.ts";
import { beforeRows, behindNorm, RoutedFlow, type Routed } from "./output.ts";
import { isChoice, routersOf, type Router } from "./router.ts";

/** A mixture of experts between its cut values: a router, the experts it chooses of, those all tokens go to, and their sum. */
export interface Moe extends Experts {
  readonly kind: "moe";
  /** What chooses. */
  readonly anchor: Node;
  readonly router: Router;
  /** How many the router chooses of. */
  readonly experts: number;
  readonly region: Region;
  readonly hiddenSize: number;
  readonly outputDtype: DType | null;
  /** Whether the input may have another element type than the experts. */
  readonly castsInput: boolean;
}

/** A mixture of experts that was seen, and what no MLP of a layer may be found in. */
export interface SeenMoe {
  readonly at: Node;
  readonly answer: Moe | Miss;
  readonly nodes: ReadonlySet<Node>;
}

/**
 * Finds the mixtures of experts of a graph.
 *
 * Each begins at a value that a linear scores experts by, some node chooses by those scores, and what depends on the
 * choice is added to the residual stream. The region between the two values is the block, however its experts are
 * written and however many there are.
 *
 * @param others nodes of attention blocks
 */
export function recognizeMoes(index: GraphIndex, others: ReadonlySet<Node>): readonly SeenMoe[] {
  const nodes = [...index.graph.nodes];
  if (!nodes.some((node) => isChoice(node))) return [];
  return routersOf(nodes, index).flatMap((router) => seeMoe(router, index, others) ?? []);
}

function seeMoe(router: Router, index: GraphIndex, others: ReadonlySet<Node>): SeenMoe | null {
  const flow = new RoutedFlow(router.linear.input, index, others);
  const routed = flow.from(router.choices);
  const { nodes: own } = router.linear;
  const isAny = (nodes: Iterable<Node>): boolean =>
    [...nodes].some((node) => !own.includes(node) && isExpert(node, index));
  // What a sampler chooses goes through no weights, and weights nothing that does.
  if (routed.ends.size === 0 && !isAny(flow.withSources(routed.nodes))) return null;
  const at = router.choice;
  const answer = understood(router, { flow, routed }, index);
  if (!isMiss(answer)) return { at, answer, nodes: new Set(answer.region.nodes) };
  // Without an end, what depends on the choice may be the rest of the model.
  const seen = routed.ends.size > 0 ? flow.withSources(routed.nodes) : routed.nodes;
  return { at, answer, nodes: new Set([...seen, ...besideRouter(router, index)]) };
}

/** The nodes of linears that read what a router reads: of shared experts, and of experts that all tokens go through. */
function besideRouter({ linear }: Router, index: GraphIndex): readonly Node[] {
  const chain = new Set(viewChain(linear.input));
  return [...index.linears].flatMap(({ input, nodes }) =>
    viewChain(input).some((value) => chain.has(value)) ? nodes : [],
  );
}

interface Seeing {
  readonly flow: RoutedFlow;
  readonly routed: Routed;
}

function understood(router: Router, { flow, routed }: Seeing, index: GraphIndex): Moe | Miss {
  const [end, ...more] = endsOf(routed, router);
  if (end === undefined || more.length > 0 || routed.strayed !== null) {
    const got =
      routed.strayed !== null
        ? `${routed.strayed.op} "${routed.strayed.name ?? ""}" of another block`
        : `${routed.ends.size} additions`;
    return miss(
      "MOE_OUTPUT_NOT_FOUND",
      router.choice,
      "one addition of what experts make to the residual stream",
      got,
    );
  }
  const output = behindNorm(beforeRows(end), (node) => routed.nodes.has(node));
  const region = regionTo(output, router, flow, index);
  if (isMiss(region)) return region;
  const experts = expertsIn(region, router, routed.nodes, index);
  if (experts === null) {
    return miss(
      "MOE_EXPERTS_NOT_FOUND",
      router.choice,
      "products with weights of experts behind the choice",
      "none",
    );
  }
  const { linear } = router;
  const outputDtype = asTensor(output.type)?.dtype ?? experts.dtype;
  return {
    ...experts,
    kind: "moe",
    anchor: router.choice,
    router,
    experts: linear.outFeatures,
    region,
    hiddenSize: linear.inFeatures,
    outputDtype,
    castsInput: isInputCast(region, experts.dtype),
  };
}

/** What the block makes: what is added to the residual stream, or what the graph gives where nothing is. */
function endsOf({ ends, outputs, strayed }: Routed, router: Router): readonly Value[] {
  if (ends.size > 0 || strayed !== null) return [...ends];
  return [...outputs].filter(({ producer }) => producer !== null && !router.choices.includes(producer));
}

/**
 * The block's region: from the value that the router's input is a view of, the nearest one that all of the block is
 * computed from, and that has the axes of the output.
 */
function regionTo(output: Value, { linear }: Router, flow: RoutedFlow, index: GraphIndex): Region | Miss {
  const closed: Region[] = [];
  let problem: Miss | null = null;
  for (const input of viewChain(linear.input)) {
    const between = regionBetween(input, output, index);
    if (isMiss(between)) return between;
    const region = withoutOtherShapes(between);
    const outside = readOutside(region, flow, index);
    if (outside === null) closed.push(region);
    else
      problem = miss(
        "MOE_INPUTS_DIFFER",
        linear.node,
        "router and experts that read one value",
        describe(outside),
      );
  }
  const alike = closed.find((region) => isSameRank(region.input, output) === true);
  const [nearest] = closed;
  const found = alike ?? (output.producer?.op === "Reshape" ? closed.at(-1) : nearest);
  return (
    found ??
    problem ??
    miss("MOE_INPUTS_DIFFER", linear.node, "router and experts that read one value", "none")
  );
}

/** A region without what reads the shape of a value outside of it: sizes that are the same everywhere are given to it. */
function withoutOtherShapes(region: Region): Region {
  const { nodes, input } = region;
  const inside = new Set(nodes);
  const isOther = ({ op, domain, inputs: [from] }: Node): boolean => {
    if (op !== "Shape" || domain !== "" || from == null || from === input) return false;
    return from.producer === null || !inside.has(from.producer);
  };
  return nodes.some(isOther) ? { ...region, nodes: nodes.filter((node) => !isOther(node)) } : region;
}

/** An activation that a region reads besides its input. */
function readOutside({ nodes, input }: Region, flow: RoutedFlow, index: GraphIndex): Value | null {
  const inside = new Set(nodes);
  for (const node of nodes) {
    for (const value of readsOf(node)) {
      const isInside = value === input || (value.producer !== null && inside.has(value.producer));
      if (!isInside && (index.activations.has(value) || flow.isFromInput(value))) return value;
    }
  }
  return null;
}

/** Whether experts compute in another type than the input has; where that is not declared, whether it is cast. */
function isInputCast({ input, nodes }: Region, dtype: DType | null): boolean {
  const declared = asTensor(input.type)?.dtype;
  if (dtype === null) return false;
  if (declared !== undefined) return declared !== dtype;
  return nodes.some((node) => {
    const [read] = node.inputs;
    return node.op === "Cast" && read && viewChain(read).includes(input);
  });
}

function isSameRank(a: Value, b: Value): boolean | null {
  const [x, y] = [rankOf(a), rankOf(b)];
  return x === null || y === null ? null : x === y;
}

function describe(value: Value): string {
  return `"${value.name ?? ""}" of ${value.producer?.op ?? "the graph's inputs"} beside it`;
}
