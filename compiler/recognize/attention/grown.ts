import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { uncast } from "./cache.ts";
import type { Inexact } from "./exact.ts";

/**
 * A cache that grows: `present = Concat (past, fresh)` along positions, past being given and present given back. The
 * graph may have the cache in a type of its own: casts stand between that and the one outside then.
 */
export interface GrownCache {
  /** `[batch, kv heads, earlier positions, width]` */
  readonly past: Value;
  /** `[batch, kv heads, new positions, width]` */
  readonly fresh: Value;
  readonly present: Value;
  readonly join: Node;
  /** What hands the past on to the join, each a copy: an exporter may have joined an empty past in front of it. */
  readonly copies: readonly Value[];
  /** The past as the graph is given it, a graph input: the past itself, or what it is cast from. */
  readonly given: Value;
  /** The present as the graph gives it back, a graph output: the present itself, or what it is cast to. */
  readonly returned: Value;
}

/** The cache that keys or values of an attention are: they must be the present and nothing made of it. */
export function grownCache(keys: Value): GrownCache | Inexact {
  const name = JSON.stringify(keys.name ?? "");
  const join = keys.producer;
  const axis = join?.int("axis");
  if (join?.op !== "Concat" || (axis !== 2 && axis !== -2))
    return { why: `${name} is not a past joined with what is new` };
  const [joined, fresh] = [join.input(0), join.input(1)];
  if (join.inputs.length !== 2 || joined === null || fresh === null)
    return { why: `${name} is joined of ${join.inputs.length} parts` };
  const copies = copiesTo(joined);
  const past = copies.at(-1)?.producer?.input(0) ?? joined;
  const given = uncast(past) ?? past;
  if (!given.isInput || given.constant !== undefined)
    return { why: `the past ${JSON.stringify(past.name ?? "")} is no input of the graph` };
  const returned = keys.isOutput ? keys : outgoingCast(keys);
  if (returned === null) return { why: `${name} is no output of the graph` };
  return { past, fresh, present: keys, join, copies, given, returned };
}

/** A value and those above it, as far as they are copies: of a Concat of one value, say. */
function copiesTo(value: Value): readonly Value[] {
  const copies: Value[] = [];
  let at: Value | null = value;
  while (at !== null && !at.isOutput && isCopy(at.producer)) {
    copies.push(at);
    at = at.producer?.input(0) ?? null;
  }
  return copies;
}

function isCopy(node: Node | null): boolean {
  return node?.op === "Identity" || (node?.op === "Concat" && node.inputs.length === 1);
}

/** What a value is cast to on its way out of the graph and for nothing else; null where it is not. */
function outgoingCast(value: Value): Value | null {
  const casts = [...value.users].filter(({ op }) => op === "Cast").map((node) => node.output(0));
  return casts.find((result) => result?.isOutput === true && result.users.size === 0) ?? null;
}
