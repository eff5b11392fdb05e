import { attribute } from "../../../compiler/ir/attribute.ts";
import type { Builder } from "../../../compiler/ir/builder.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { HeadRows } from "../../../compiler/recognize/attention/rows.ts";

/** How many heads lie side by side, and how wide each is. */
export interface HeadSizes {
  readonly heads: number;
  readonly width: number;
}

/**
 * Heads `[rows, heads, tokens, width]` as `[rows, tokens, heads · width]`, as projections make them and attention ops
 * take them: what they were split of, where that is proved. A rotary embedding between takes them side by side, too.
 */
export function inRows(b: Builder, rows: HeadRows, value: Value, sizes: HeadSizes): Value {
  const known = rows.above(value);
  if (known !== null) return known;
  const name = value.name ?? "heads";
  const rotary = value.producer;
  const turned = rotary === null || !isRotary(rotary) ? null : rotary.input(0);
  if (rotary !== null && turned !== null) {
    const attributes = { ...Object.fromEntries(rotary.attributes), num_heads: attribute.int(sizes.heads) };
    const operands = [inRows(b, rows, turned, sizes), ...rotary.inputs.slice(1)];
    return b.op("RotaryEmbedding", operands, `${name}_rows`, attributes);
  }
  return b.reshape(byToken(b, value, name), [0, 0, sizes.heads * sizes.width], `${name}_rows`);
}

/** Whether heads lie side by side, or are made so by a view of what they are. */
export function isInRows(rows: HeadRows, value: Value): boolean {
  if (rows.above(value) !== null || turnedFrom(value) !== null) return true;
  const node = value.producer;
  return node !== null && isRotary(node) && node.input(0) !== null && isInRows(rows, node.input(0) ?? value);
}

/** Of four axes it takes the second for that of the heads; of three it wants to be told how many there are. */
function isRotary({ op, attributes }: Node): boolean {
  return op === "RotaryEmbedding" && !attributes.has("num_heads");
}

/** `[rows, tokens, heads, width]`: what the value is turned from, if it is. */
function byToken(b: Builder, value: Value, name: string): Value {
  return turnedFrom(value) ?? b.transpose(value, [0, 2, 1, 3], `${name}_by_token`);
}

function turnedFrom({ producer: node }: Value): Value | null {
  return node?.op === "Transpose" && node.ints("perm")?.join() === "0,2,1,3" ? node.input(0) : null;
}
