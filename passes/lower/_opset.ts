import type { Graph } from "../../compiler/ir/graph.ts";
import { functionKey, type Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { schemaOf } from "../../compiler/onnx/check/schemas.ts";

/** From here on, ops differ little: before, Softmax flattened, and axes of Squeeze and Unsqueeze were attributes. */
const OLDEST = 13;

/** Ops that mean something else from a version on, though they are written alike. */
const changed: ReadonlyMap<string, number> = new Map([
  ["GroupNormalization", 21],
  ["GridSample", 20],
  ["Resize", 19],
  ["Upsample", 9],
]);

/** Reductions whose axes became an operand, and since when. */
const REDUCTIONS_WITH_OPERAND = 18;
const reductions: ReadonlySet<string> = new Set(
  ["Max", "Mean", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"].map(
    (name) => `Reduce${name}`,
  ),
);

/**
 * Raises the version of the default domain, where that changes what no node means. Attributes that became operands are
 * written as such.
 *
 * @returns why it cannot be done, and then nothing is changed; null where it is done or was not needed
 */
export function raiseOpset(model: Model, rw: Rewriter, to: number): string | null {
  const from = model.opset;
  if (from >= to) return null;
  if (from < OLDEST) return `opset ${from}: from ${OLDEST} on it could be raised to ${to}`;
  const nodes = bodiesOf(model).flatMap((graph) => [...nodesDeep(graph)]);
  for (const node of nodes) {
    const why = obstacle(node, from, to);
    if (why !== null) return why;
  }
  for (const node of nodes) if (hasOldAxes(node, from)) moveAxes(node, rw);
  for (const owner of [model, ...model.functions.values()])
    for (const domain of ["", "ai.onnx"])
      if ((owner.opsets.get(domain) ?? to) < to) rw.setOpset(owner, domain, to);
  return null;
}

/** Why an op of the standard would be something else in a model: it has a function of that name. Null where it is not. */
export function redefined(model: Model, ops: readonly string[]): string | null {
  const own = ops.find((name) => model.functions.has(functionKey({ domain: "", name })));
  return own === undefined ? null : `the model has a function ${own} of its own`;
}

function bodiesOf(model: Model): readonly Graph[] {
  return [model.graph, ...[...model.functions.values()].map(({ body }) => body)];
}

/** Why a node would not be what it was. */
function obstacle(node: Node, from: number, to: number): string | null {
  if (node.domain !== "" && node.domain !== "ai.onnx") return null;
  const [old, next] = [schemaOf(node.opType, from), schemaOf(node.opType, to)];
  // Ops of onnxruntime's own in the default domain have no versions.
  if (old === null || old === next) return null;
  const at = `${node.op} "${node.name ?? ""}"`;
  const since = changed.get(node.opType);
  if (since !== undefined && from < since && since <= to)
    return `${at} means something else from opset ${since} on`;
  if (hasOldAxes(node, from)) return null;
  const strange = [...node.attributes.keys()].find((name) => next?.attributes.has(name) !== true);
  if (strange !== undefined) return `${at} has no attribute "${strange}" in opset ${to}`;
  const { least = 0, most = 0 } = next?.inputs ?? {};
  const fits = node.inputs.length >= least && node.inputs.length <= most;
  return fits ? null : `${at} has other operands in opset ${to}`;
}

function hasOldAxes(node: Node, from: number): boolean {
  return from < REDUCTIONS_WITH_OPERAND && reductions.has(node.op) && node.ints("axes") !== undefined;
}

function moveAxes(node: Node, rw: Rewriter): void {
  const axes = node.ints("axes") ?? [];
  const b = new Builder(rw, before(node));
  rw.setInput(node, 1, b.constant("int64", [axes.length], axes, `${node.output(0)?.name ?? "reduce"}_axes`));
  rw.removeAttribute(node, "axes");
}
