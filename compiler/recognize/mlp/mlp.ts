import type { DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { activationName, isActivation } from "./activation.ts";
import { constantOf } from "../../ops/constant.ts";
import { carriedInputs, has, opOf } from "../../ops/table.ts";
import { commonSource, cutValues, differ, dtypeThrough, isCastBetween } from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import type { Linear } from "../linear/linear.ts";
import { isMiss, miss, type Miss } from "../miss.ts";
import { recognizePacking, type Packing } from "../linear/packing.ts";
import { regionBetween, type Region } from "../region.ts";

/** An MLP between its cut values: `down(act(gate(x)) · up(x))`, or `down(act(up(x)))`. */
export interface Mlp {
  readonly kind: "mlp";
  /** The activation. */
  readonly anchor: Node;
  readonly activation: string;
  readonly gated: boolean;
  readonly packing: Packing;
  /** The projections of the input: gate and up, or one that packs both. */
  readonly inputs: readonly Linear[];
  readonly down: Linear;
  readonly region: Region;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  /** Element type of the projections. */
  readonly dtype: DType | null;
  readonly outputDtype: DType | null;
  /** Whether the input is cast to that type inside the block. */
  readonly castsInput: boolean;
}

/**
 * Whether a node acts on each token by itself, and by no projection: on each element, or on all of a norm. Some MLPs
 * have one in front of their last projection (BitNet).
 */
function isWithinToken(node: Node): boolean {
  const { norm } = opOf(node);
  // One that reads a sum normalizes the residual stream, and what stands behind it is another block.
  if (norm !== null) return !norm.adds && node.input(0)?.producer?.op !== "Add";
  return has(node, "reduce") || isElementwise(node);
}

/** Whether a node acts on each element by itself, or only chooses or rearranges elements. */
function isElementwise(node: Node): boolean {
  return has(node, "elementwise") || has(node, "view") || has(node, "cut") || node.op === "Constant";
}

interface Cone {
  readonly activation: Node | null;
  readonly linears: ReadonlySet<Linear>;
  readonly foreign: Value | null;
  readonly nodes: ReadonlySet<Node>;
}

/**
 * Whether what a linear's input is computed from elementwise, as far as other linears, has an activation in it. Most
 * have none and lead into the residual stream, which is as long as the model: each node is walked over once.
 */
function isBehindActivation(linear: Linear, index: GraphIndex): boolean {
  const nodes = new Set<Node>();
  const pending: (Value | null)[] = [linear.input];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at?.producer ?? null;
    if (node?.graph !== index.graph || !isWithinToken(node) || index.linearOf(node) !== null) continue;
    if (nodes.has(node) || index.withoutActivation.has(node)) continue;
    if (isActivation(node) && constantOf(at) === null) return true;
    nodes.add(node);
    pending.push(...node.inputs);
  }
  for (const node of nodes) index.withoutActivation.add(node);
  return false;
}

/** What a linear's input is computed from elementwise, as far as other linears. */
function coneAbove(linear: Linear, index: GraphIndex): Cone {
  const linears = new Set<Linear>();
  const nodes = new Set<Node>();
  let activation: Node | null = null;
  let foreign: Value | null = null;
  const pending: Value[] = [linear.input];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at.producer;
    const source = node === null ? null : index.linearOf(node);
    if (constantOf(at) !== null) continue;
    if (source !== null) linears.add(source);
    else if (node?.graph !== index.graph || !isWithinToken(node)) foreign ??= at;
    else if (!nodes.has(node)) {
      nodes.add(node);
      if (isActivation(node)) activation = node;
      for (const input of carriedInputs(node)) if (input !== null) pending.push(input);
    }
  }
  return { activation, linears, foreign, nodes };
}

/**
 * Understands the MLP that ends in a linear; null when the linear ends none. An MLP is an elementwise nonlinearity
 * between linears of one input and a linear back to that input's width.
 */
export function recognizeMlp(down: Linear, index: GraphIndex): Mlp | Miss | null {
  if (!isBehindActivation(down, index)) return null;
  const cone = coneAbove(down, index);
  const anchor = cone.activation;
  const inputs = [...cone.linears];
  const [first] = inputs;
  // Without an activation, or without any projection before it, this linear is something else.
  if (anchor === null || first === undefined) return null;
  if (cone.foreign !== null) {
    const got = `"${cone.foreign.name ?? ""}" of ${cone.foreign.producer?.op ?? "the graph's inputs"}`;
    return miss("MLP_INPUT_NOT_LINEAR", down.node, "an input computed elementwise from projections", got);
  }
  const source = commonSource(inputs.map((l) => l.input));
  if (source === null) {
    const got = inputs.map((l) => JSON.stringify(l.input.name ?? "")).join(", ");
    return miss("MLP_INPUTS_DIFFER", down.node, "gate and up projections of one value", got);
  }
  if (down.outFeatures !== first.inFeatures) {
    return miss(
      "MLP_WIDTH",
      down.node,
      `a projection back to ${first.inFeatures} features`,
      `${down.outFeatures}`,
    );
  }
  const { input, output } = cutValues(source, down.output);
  const region = regionBetween(input, output, index);
  if (isMiss(region)) return region;
  return {
    kind: "mlp",
    anchor,
    activation: activationName(anchor),
    gated: inputs.length > 1 || first.outFeatures === 2 * down.inFeatures,
    packing: recognizePacking(inputs.length > 1 ? inputs : [first]),
    inputs,
    down,
    region,
    hiddenSize: first.inFeatures,
    intermediateSize: down.inFeatures,
    dtype: down.dtype ?? first.dtype,
    outputDtype: dtypeThrough(output, down.output, down.dtype ?? first.dtype),
    castsInput: isCastBetween(first.input, source) || differ(first.dtype, down.dtype),
  };
}
