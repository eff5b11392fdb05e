import { before, Builder } from "../compiler/ir/builder.ts";
import type { DType } from "../compiler/ir/dtype.ts";
import type { Loc } from "../compiler/ir/entity.ts";
import type { Model } from "../compiler/ir/model.ts";
import type { Rewriter } from "../compiler/ir/rewriter.ts";
import type { Tensor } from "../compiler/ir/tensor.ts";
import { tensorType } from "../compiler/ir/type.ts";
import type { Value } from "../compiler/ir/value.ts";

/**
 * Makes a parameter that is trained: a float input with first numbers.
 *
 * @returns what the graph reads of it, which is of its own type
 */
export function addParameter(
  { graph }: Model,
  rw: Rewriter,
  spec: { readonly name: string; readonly loc: Loc; readonly initial: Tensor; readonly dtype: DType },
): Value {
  const { name, loc, initial, dtype } = spec;
  const value = rw.value(loc, name, tensorType("float", initial.shape));
  rw.setInitial(value, initial);
  rw.addInput(graph, value);
  const [first] = graph.nodes;
  if (dtype === "float") return value;
  if (first === undefined) throw new Error(`a graph without nodes reads ${name}`);
  return new Builder(rw, before(first), { loc }).cast(value, dtype, `${name}.${dtype}`);
}
