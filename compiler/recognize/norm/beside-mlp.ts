import type { Node } from "../../ir/node.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { opOf } from "../../ops/table.ts";
import type { StepEnds } from "../../sites/places.ts";
import { TFC_DOMAIN, type Site, type StepKind } from "../../sites/site.ts";
import { weightOf } from "../linear/weight.ts";
import { normBehind } from "./around.ts";
import { recognizeNorm } from "./norm.ts";
import { normWeight } from "./weight.ts";

/** A step around an MLP. */
export interface Step extends StepEnds {
  readonly kind: StepKind;
}

/**
 * The steps around an MLP that was outlined: its output, and the norms in front of and behind it where it has them to
 * itself.
 *
 * @param sharesInput whether another block of the layer reads the same input: then the norm is not the MLP's own
 */
export function stepsAround(mlp: Site, sharesInput: boolean): readonly Step[] {
  const { node, output } = mlp;
  const dtype = asTensor(output.type)?.dtype ?? mlp.outputDtype;
  const own: Step = { kind: "mlp_output", node, input: output, output, dtype, outputDtype: dtype };
  const steps = [sharesInput ? null : normAhead(mlp), own, normAfter(own)];
  return steps.filter((step) => step !== null && step.node.graph === node.graph) as readonly Step[];
}

/** The norm of the residual stream that the MLP reads. */
function normAhead({ input: output, castsInput, dtype }: Site): Step | null {
  const node = output.producer;
  const input = node === null ? null : normalizedBy(node, output);
  if (node === null || input === null) return null;
  const outputDtype = asTensor(output.type)?.dtype ?? (castsInput ? null : dtype);
  const inputDtype = asTensor(input.type)?.dtype ?? outputDtype;
  return { kind: "pre_mlp_norm", node, input, output, dtype: inputDtype, outputDtype };
}

/** What a norm normalizes: of one that was outlined its first operand, of one that adds first the sum. */
function normalizedBy(node: Node, output: Value): Value | null {
  if (node.domain === TFC_DOMAIN && /^Norm(?:_\d+)?$/.test(node.opType)) return node.input(0);
  const norm = recognizeNorm(output);
  const sum = norm === null ? null : (opOf(norm.node).norm?.sum ?? null);
  return sum === null ? (norm?.input ?? null) : (norm?.node.outputs[sum] ?? null);
}

/** The norm of the MLP's output; what it gives has the type of its weight, if nothing says another one. */
function normAfter({ output: input, dtype }: Step): Step | null {
  const found = normBehind({ output: input });
  const node = found?.output.producer ?? null;
  if (found === null || node === null) return null;
  const { output } = found;
  const read = normWeight(output);
  const ofWeight = read === null ? null : (weightOf(read.reader.input(read.index))?.dtype ?? null);
  const outputDtype = asTensor(output.type)?.dtype ?? ofWeight ?? dtype;
  return { kind: "post_mlp_norm", node, input, output, dtype, outputDtype };
}
