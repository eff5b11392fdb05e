import { attribute, type Attribute } from "../../../ir/attribute.ts";
import { dtypeNumber } from "../../../ir/dtype.ts";
import type { Graph } from "../../../ir/graph.ts";
import type { Model } from "../../../ir/model.ts";
import type { Rewriter } from "../../../ir/rewriter.ts";
import { Tensor } from "../../../ir/tensor.ts";
import { asTensor, tensorType } from "../../../ir/type.ts";
import type { Value } from "../../../ir/value.ts";
import { graphsDeep } from "../../../ir/walk.ts";
import { convert } from "../../../weights/convert.ts";

/**
 * Makes float32 of all that is bfloat16 in a model, with the numbers it has: for where nothing computes in bfloat16. What
 * is left of the type are its rounded weights.
 */
export function widenBfloat16(model: Model, rw: Rewriter): void {
  for (const root of [model.graph, ...[...model.functions.values()].map(({ body }) => body)])
    for (const graph of graphsDeep(root)) widenGraph(graph, rw, root === model.graph && graph === root);
}

function widenGraph(graph: Graph, rw: Rewriter, isMain: boolean): void {
  for (const value of graph.inputs) widenType(value, rw);
  for (const value of graph.initializers) {
    widenType(value, rw);
    if (value.constant?.dtype === "bfloat16") rw.setConstant(value, wide(value.constant, isMain));
  }
  for (const node of graph.nodes) {
    for (const value of node.outputs) widenType(value, rw);
    for (const [name, attr] of [...node.attributes]) {
      const widened = widenAttribute(node.op, name, attr);
      if (widened !== null) rw.setAttribute(node, name, widened);
    }
  }
}

function widenType(value: Value, rw: Rewriter): void {
  const type = asTensor(value.type);
  if (type?.dtype === "bfloat16") rw.setType(value, tensorType("float", type.shape));
}

/** Null for what says nothing of bfloat16. */
function widenAttribute(op: string, name: string, attr: Attribute): Attribute | null {
  if (attr.kind === "tensor" && attr.value.dtype === "bfloat16")
    return attribute.tensor(wide(attr.value, false));
  const saysType = (op === "Cast" && name === "to") || name === "dtype";
  const isBfloat = attr.kind === "int" && Number(attr.value) === dtypeNumber("bfloat16");
  return saysType && isBfloat ? attribute.int(dtypeNumber("float")) : null;
}

function wide(tensor: Tensor, canWait: boolean): Tensor {
  const produce = (): Uint8Array => convert(tensor.bytes(), "bfloat16", "float");
  return new Tensor(
    "float",
    tensor.shape,
    canWait ? { kind: "deferred", file: "weights", produce } : { kind: "memory", bytes: produce() },
  );
}
