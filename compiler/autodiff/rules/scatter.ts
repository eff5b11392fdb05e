import { attribute, type Attribute } from "../../ir/attribute.ts";
import type { Value } from "../../ir/value.ts";
import type { Rule, RuleRow, Vjp } from "../rule.ts";
import { div, like, mul, sub, zerosLike } from "../terms.ts";
import { scattered } from "./scatter-add.ts";

/** Updates of a tensor at places: data, indices and updates. */
export const scatterRules: readonly RuleRow[] = [
  ["ScatterND", scatterRule("ScatterND", "GatherND", () => ({}))],
  [
    "ScatterElements",
    scatterRule("ScatterElements", "GatherElements", (at) => ({
      axis: attribute.int(at.node.int("axis") ?? 0),
    })),
  ],
];

type Attributes = Readonly<Record<string, Attribute>>;

/** Writes at the places, and reads from them. */
interface Places {
  readonly set: (data: Value, updates: Value, reduction: "none" | "mul") => Value;
  readonly add: (updates: Value) => Value;
  readonly take: (data: Value) => Value;
}

function scatterRule(
  op: "ScatterND" | "ScatterElements",
  gather: string,
  attributesOf: (at: Vjp) => Attributes,
): Rule {
  const write = (at: Vjp): void => {
    const [b, places, attributes] = [at.b, at.x(1), attributesOf(at)];
    const by: Places = {
      set: (data, updates, reduction) =>
        b.op(op, [data, places, updates], "set", { ...attributes, reduction: attribute.string(reduction) }),
      add: (updates) => scattered(at, b.op("Shape", [at.dy], "sizes"), updates, { op, places, attributes }),
      take: (data) => b.op(gather, [data, places], "taken", attributes),
    };
    vjps[at.node.string("reduction") ?? "none"]?.(at, by);
  };
  return { by: () => [0, 2], write };
}

const vjps: Readonly<Record<string, (at: Vjp, by: Places) => void>> = {
  none: (at, { set, take }) => {
    if (at.wants(0)) at.give(0, set(at.dy, zerosLike(at.b, at.x(2)), "none"));
    if (at.wants(2)) at.give(2, take(at.dy));
  },
  add: (at, { take }) => {
    if (at.wants(0)) at.give(0, at.dy);
    if (at.wants(2)) at.give(2, take(at.dy));
  },
  mul: multiplied,
  max: chosen,
  min: chosen,
};

/** Each factor's gradient is the product of the others, which holds where one is 0, too. */
function multiplied(at: Vjp, { set, add, take }: Places): void {
  const { b, dy } = at;
  const updates = at.x(2);
  const one = like(b, 1, updates);
  if (at.wants(0)) {
    const ones = b.op("Expand", [one, b.op("Shape", [dy], "sizes")], "ones");
    at.give(0, mul(b, dy, set(ones, updates, "mul"), "dx"));
  }
  if (!at.wants(2)) return;
  const zero = like(b, 0, updates);
  const isZero = b.op("Equal", [updates, zero], "is_zero");
  const factors = b.op("Where", [isZero, one, updates], "factors");
  const zeros = b.op("CastLike", [isZero, updates], "zeros");
  const others = sub(b, take(add(zeros)), zeros, "other_zeros");
  const product = div(b, take(mul(b, dy, set(at.x(0), factors, "mul"))), factors, "others");
  at.give(2, b.op("Where", [b.op("Equal", [others, zero], "has_none"), product, zero], "d_updates"));
}

/** The gradient goes to what was chosen, in equal parts where some are equal. */
function chosen(at: Vjp, { add, take }: Places): void {
  const { b, dy } = at;
  const y = at.y();
  const isData = b.op("CastLike", [b.op("Equal", [at.x(0), y], "is_data"), dy], "data_share");
  const isUpdate = b.op("CastLike", [b.op("Equal", [at.x(2), take(y)], "is_update"), dy], "update_share");
  const share = div(
    b,
    dy,
    b.op("Max", [b.op("Add", [isData, add(isUpdate)], "winners"), like(b, 1, dy)], "winners"),
  );
  if (at.wants(0)) at.give(0, mul(b, share, isData, "dx"));
  if (at.wants(2)) at.give(2, mul(b, take(share), isUpdate, "d_updates"));
}
