import { attribute } from "../../ir/attribute.ts";
import type { Value } from "../../ir/value.ts";
import { byAll, type RuleRow, type Vjp } from "../rule.ts";
import { times } from "../terms.ts";

/** `Y = α · op(A) · op(B) + β · C`. Each gradient is a Gemm of its own, whichever operands are transposed. */
export const gemmRules: readonly RuleRow[] = [["Gemm", { by: byAll, write: gemmVjp }]];

function gemmVjp(at: Vjp): void {
  const { node, b, dy } = at;
  const [isA, isB] = [node.int("transA") === 1, node.int("transB") === 1];
  const alpha = attribute.float(node.float("alpha") ?? 1);
  const product = (x: Value, y: Value, transA: boolean, transB: boolean, name: string): Value =>
    b.op("Gemm", [x, y], name, {
      alpha,
      transA: attribute.int(Number(transA)),
      transB: attribute.int(Number(transB)),
    });
  if (at.wants(0))
    at.give(0, isA ? product(at.x(1), dy, isB, true, "da") : product(dy, at.x(1), false, !isB, "da"));
  if (at.wants(1))
    at.give(1, isB ? product(dy, at.x(0), true, isA, "db") : product(at.x(0), dy, !isA, false, "db"));
  if (at.wants(2)) {
    const beta = node.float("beta") ?? 1;
    at.giveSummed(2, beta === 1 ? dy : times(b, beta, dy, "dc"));
  }
}
