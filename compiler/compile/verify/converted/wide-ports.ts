import { after, before, Builder } from "../../../ir/builder.ts";
import { isHalf } from "../../../ir/dtype.ts";
import type { Model } from "../../../ir/model.ts";
import type { Rewriter } from "../../../ir/rewriter.ts";
import { asTensor, tensorType } from "../../../ir/type.ts";
import type { Use, Value } from "../../../ir/value.ts";

/**
 * Gives inputs and outputs of a half type the float32 that a base has under their names, with casts behind and in front of
 * them: JavaScript has no bfloat16, and a comparison wants one type on both sides.
 */
export function widenPorts(model: Model, base: Model, rw: Rewriter): void {
  const isFloat = (values: readonly Value[]): ReadonlySet<string | undefined> =>
    new Set(values.filter(({ type }) => asTensor(type)?.dtype === "float").map(({ name }) => name));
  const [inputs, outputs] = [isFloat(base.graph.inputs), isFloat(base.graph.outputs)];
  for (const value of model.graph.inputs) if (inputs.has(value.name)) widenInput(value, rw);
  model.graph.outputs.forEach((value, index) => {
    if (outputs.has(value.name)) widenOutput(model, index, rw);
  });
}

function widenInput(value: Value, rw: Rewriter): void {
  const type = asTensor(value.type);
  const first = value.scope?.first ?? null;
  const uses = new Set<Use>([...value.uses].filter(({ kind }) => kind === "input"));
  if (type === null || first === null || !isHalf(type.dtype) || uses.size === 0) return;
  const narrow = new Builder(rw, before(first)).cast(value, type.dtype, `${value.name ?? "input"}.narrow`);
  rw.replaceUses(value, narrow, (use) => uses.has(use));
  rw.setType(value, tensorType("float", type.shape));
}

function widenOutput({ graph }: Model, index: number, rw: Rewriter): void {
  const value = graph.outputs[index];
  const type = asTensor(value?.type);
  if (value === undefined || type === null || !isHalf(type.dtype) || value.producer === null) return;
  const { name = "output" } = value;
  const wide = new Builder(rw, after(value.producer)).cast(value, "float", `${name}.wide`);
  rw.replaceUses(value, wide, (use) => use.kind === "output" && use.graph === graph && use.index === index);
  rw.setType(wide, tensorType("float", type.shape));
  rw.setName(value, `${name}.narrow`);
  rw.setType(value, type);
}
