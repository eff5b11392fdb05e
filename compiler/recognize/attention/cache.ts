import { asTensor } from "../../ir/type.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import type { Anchor } from "./anchor.ts";
import { has } from "../../ops/table.ts";
import { sourcesOf } from "../flow.ts";
import type { GraphIndex } from "../graph-index.ts";
import type { Region } from "../region.ts";

/** Keys and values of earlier tokens; pasts as callers give them, in front of a cast to the graph's own type. */
export interface Cache {
  /** `concat`: past joined with new; `op`: by the attention op; `scatter`: written in place. */
  readonly kind: "concat" | "op" | "scatter";
  readonly pastKey: Value | null;
  readonly pastValue: Value | null;
  readonly presentKey: Value | null;
  readonly presentValue: Value | null;
}

/** The key-value cache of an attention block, or null when it has none. */
export function recognizeCache(anchor: Anchor, region: Region, index: GraphIndex): Cache | null {
  const { node } = anchor;
  const operands = anchor.op?.cache ?? null;
  const pastKey = operands === null ? null : uncast(node.input(operands.pastKey));
  if (operands !== null && pastKey !== null) {
    return {
      kind: "op",
      pastKey,
      pastValue: uncast(node.input(operands.pastValue)),
      presentKey: node.output(operands.presentKey),
      presentValue: node.output(operands.presentValue),
    };
  }
  const key = joinedPast(anchor.key, region, index);
  const value = joinedPast(anchor.value, region, index);
  if (key === null && value === null) return null;
  return {
    kind: key?.kind ?? value?.kind ?? "concat",
    pastKey: key?.past ?? null,
    pastValue: value?.past ?? null,
    presentKey: key?.present ?? null,
    presentValue: value?.present ?? null,
  };
}

interface Joined {
  readonly kind: Cache["kind"];
  readonly past: Value;
  readonly present: Value;
}

/**
 * A Concat or scatter on the way to an operand that brings in a float value from outside: the past. Several may do
 * so (a rotary embedding may be joined with an empty rest): one whose past is a graph input is the surest, one
 * whose result is a graph output the next.
 */
function joinedPast(operand: Value, region: Region, index: GraphIndex): Joined | null {
  const inside = new Set(region.nodes);
  const isOutside = (v: Value | null): v is Value =>
    v !== null && v.constant === undefined && (v.producer === null || !inside.has(v.producer));
  const found: Joined[] = [];
  for (const node of sourcesOf(operand, index).nodes) {
    const present = node.output(0);
    // An empty value may be joined in front of the past.
    const outside = node.inputs.map(uncast).filter(isOutside);
    const past = outside.find(({ isInput }) => isInput) ?? outside[0];
    const kind = node.op === "Concat" ? "concat" : "scatter";
    if (has(node, "join-past") && inside.has(node) && past && present !== null && isFloatLike(past)) {
      found.push({ kind, past, present: joinedFurther(present, inside) });
    }
  }
  return (
    found.find((j) => j.past.isInput) ??
    found.find((j) => j.present.isOutput) ??
    found.find((j) => comesFromCache(j.past, index)) ??
    null
  );
}

/** What is cast where it is a graph input, else the value itself. */
export function uncast(value: Value | null): Value | null {
  const source = value?.producer?.op === "Cast" ? value.producer.input(0) : null;
  return source?.isInput === true ? source : value;
}

/** What further joins make of a value, as far as one that the graph gives back. */
function joinedFurther(value: Value, inside: ReadonlySet<Node>): Value {
  let at = value;
  for (;;) {
    const next = [...at.users].find((node) => inside.has(node) && has(node, "join-past"))?.output(0) ?? null;
    if (at.isOutput || next === null) return at;
    at = next;
  }
}

/** Whether a value is made from a graph input of the rank of a cache: exporters join an empty past in front of it. */
function comesFromCache(past: Value, index: GraphIndex): boolean {
  const { inputs, linears } = sourcesOf(past, index);
  return (
    linears.size === 0 &&
    [...inputs].some((v) => isFloatLike(v) && (asTensor(v.type)?.shape?.length ?? 0) >= 3)
  );
}

/** A cache holds activations, not positions or shapes. */
function isFloatLike(value: Value): boolean {
  const type = value.type;
  return type?.kind !== "tensor" || !/^u?int(32|64)$|^bool$/.test(type.dtype);
}
