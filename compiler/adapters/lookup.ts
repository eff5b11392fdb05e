import type { Value } from "../ir/value.ts";
import type { AdapterBody } from "./body.ts";

/**
 * The columns of A `[r, tokens]` that token ids choose: `[…, r]`, what A makes of a row of the unit matrix for each. Of a
 * bank each row or token has its own member's.
 *
 * @param ids integers, `[rows, steps]`, or `[steps]` where tokens are flat
 * @param tokens how many there are
 */
export function columnsOf(b: AdapterBody, ids: Value, down: Value, tokens: number): Value {
  const table = b.turned(down); // [tokens, r], in a bank [N, tokens, r]
  const member = b.memberIndex;
  if (member === null) return b.gather(table, ids, "chosen");
  // One table of all members, without copies: the last one, of zeros, is that of -1, from the end.
  const all = b.flattened(table, 2, "of_all"); // [N · tokens, r]
  const count = b.constant("int64", [], [tokens], "tokens");
  const start = b.op("Mul", [member, count], "member_start");
  const index = b.op("Add", [b.cast(ids, "int64", "ids_wide"), start], "index");
  return b.gather(all, index, "chosen");
}
