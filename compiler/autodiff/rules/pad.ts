import { attribute } from "../../ir/attribute.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { integersOf } from "../../ops/constant.ts";
import type { Vjp } from "../rule.ts";
import { neg, sub } from "../terms.ts";
import { reshaped, sizesOf } from "./sizes.ts";

/** Why padding has no gradient: it repeats elements. */
export function refusesMode(node: Node): string | null {
  const mode = node.string("mode") ?? "constant";
  return mode === "constant" ? null : `its mode is ${mode}`;
}

/** Padding by the negative cuts off what was put on, and puts zeros where it cut. */
export function padVjp(at: Vjp): void {
  const { b, node, dy } = at;
  const dx = padBack(at);
  if (at.wants(0)) at.give(0, dx);
  if (!at.wants(2)) return;
  const [all, own] = [dy, dx].map((x) => b.op("ReduceSum", [x], "total", { keepdims: attribute.int(0) }));
  if (all === undefined || own === undefined || node.input(2) === null) return;
  at.give(2, reshaped(b, sub(b, all, own), sizesOf(at, 2), "d_number"));
}

function padBack(at: Vjp): Value {
  const { b, node, dy } = at;
  const pads = integersOf(node.input(1));
  const back = pads?.map((pad) => -pad) ?? null;
  const axes = node.input(3) === null ? [] : [null, at.x(3)];
  return b.op("Pad", [dy, back === null ? neg(b, at.x(1)) : b.ints(back), ...axes], "dx");
}
