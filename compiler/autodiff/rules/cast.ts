import { dtypeOf, isFloat, type DType } from "../../ir/dtype.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { elementTypeOf } from "../../ops/element-type.ts";
import { byFirst, type RuleRow, type Vjp } from "../rule.ts";

/** Changes of type: between floats a gradient goes back in the type that it came from; to whole numbers none does. */
export const castRules: readonly RuleRow[] = [
  castTo("Cast", (node) => dtypeOf(node.int("to") ?? 0) ?? null),
  castTo("CastLike", (node) => elementTypeOf(node.input(1))),
];

/** @param typeOf the type that is cast to, or null where nothing tells it */
function castTo(op: string, typeOf: (node: Node) => DType | null): RuleRow {
  return [
    op,
    {
      by: (node) => {
        const type = typeOf(node);
        return type === null || isFloat(type) ? byFirst() : [];
      },
      write: (at) => {
        const type = elementTypeOf(at.node.input(0));
        // Of whole numbers that are quantized floats the gradient is one of floats.
        const isSame = type !== null && (type === typeOf(at.node) || !isFloat(type));
        at.give(0, isSame ? at.dy : castBack(at, type));
      },
    },
  ];
}

function castBack(at: Vjp, type: DType | null): Value {
  const { b, dy } = at;
  return type === null ? b.op("CastLike", [dy, at.x(0)], "dx") : b.cast(dy, type, "dx");
}
