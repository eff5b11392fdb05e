import { dtypeOf, type DType } from "../ir/dtype.ts";
import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";
import type { GraphIndex } from "./graph-index.ts";
import type { Linear } from "./linear/linear.ts";
import { constantOf } from "../ops/constant.ts";
import type { Trait } from "../ops/op.ts";
import { rankOf } from "../ops/rank.ts";
import { carriedInputs, has } from "../ops/table.ts";

/** What a value is computed from, as far as the nearest linears. */
export interface Sources {
  readonly linears: ReadonlySet<Linear>;
  /** Graph inputs and other values without a producer in this graph, initializers aside. */
  readonly inputs: ReadonlySet<Value>;
  readonly nodes: ReadonlySet<Node>;
}

/** Walks back over data edges (not through Shape), stopping at linears. */
export function sourcesOf(value: Value, index: GraphIndex): Sources {
  const linears = new Set<Linear>();
  const inputs = new Set<Value>();
  const nodes = new Set<Node>();
  const pending: Value[] = [value];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const node = at.producer;
    if (node?.graph !== index.graph) {
      if (at.constant === undefined || at.isInput) inputs.add(at);
      continue;
    }
    const linear = index.linearOf(node);
    if (linear !== null) {
      linears.add(linear);
    } else if (!nodes.has(node) && !has(node, "shape")) {
      nodes.add(node);
      for (const input of carriedInputs(node)) if (input !== null) pending.push(input);
    }
  }
  return { linears, inputs, nodes };
}

/** A value with the node that makes it. */
interface Made {
  readonly value: Value;
  readonly node: Node;
}

/**
 * The values between some operands and the linears above them, nearest first: with what else they are computed from
 * (tables, positions, shapes), but without constants. One for each node that makes any.
 */
export function* valuesAbove(operands: readonly Value[], index: GraphIndex): Generator<Made, void, void> {
  const seen = new Set<Node>();
  const pending = [...operands];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    const node = at.producer;
    if (node?.graph !== index.graph || seen.has(node) || index.linearOf(node) !== null) continue;
    seen.add(node);
    yield { value: at, node };
    for (const input of node.inputs) if (input !== null && constantOf(input) === null) pending.push(input);
  }
}

/** A value and what it is a view of, nearest first. */
export function viewChain(value: Value): readonly Value[] {
  const chain = [value];
  for (let node = value.producer; node !== null && has(node, "view"); node = chain.at(-1)?.producer ?? null) {
    const input = node.input(0);
    if (input === null) break;
    chain.push(input);
  }
  return chain;
}

/** The first value that all chains of views have in common, or null. */
export function commonSource(values: readonly Value[]): Value | null {
  const [first = [], ...rest] = values.map((value) => viewChain(value));
  const chains = rest.map((chain) => new Set(chain));
  return first.find((value) => chains.every((chain) => chain.has(value))) ?? null;
}

/** Whether two types are known and not the same: a block that takes one and computes the other casts on its way. */
export function differ(a: DType | null, b: DType | null): boolean {
  return a !== null && b !== null && a !== b;
}

/** Whether a value is re-typed on its way up to one that it is a view of. */
export function isCastBetween(value: Value, source: Value): boolean {
  const chain = viewChain(value);
  return chain
    .slice(0, chain.indexOf(source))
    .some(({ producer }) => producer !== null && has(producer, "retype"));
}

/** No exporter wraps a projection in more. */
const MOST_RESHAPES = 16;

/**
 * The cut values of a block. Exporters wrap projections in reshapes (`Reshape → Gemm → Reshape`): the cut lies
 * outside of those, where input and output have the same leading dimensions. A Cast of the output is taken along:
 * what is added behind it leaves the block's own arithmetic, roundings included, as it was.
 *
 * @param source the value that the first projections have in common
 * @param result the last projection's output
 */
export function cutValues(source: Value, result: Value): { readonly input: Value; readonly output: Value } {
  const inputs = [source];
  for (
    let node = source.producer;
    node !== null && has(node, "reshape") && inputs.length < MOST_RESHAPES;
    node = inputs.at(-1)?.producer ?? null
  ) {
    const input = node.input(0);
    if (input === null) break;
    inputs.push(input);
  }
  // Behind each reshape, the furthest value that casts or a pair of quantizers make of it.
  const outputs = [furthest(result)];
  for (
    let next = onlyReader(outputs[0] ?? result, "reshape");
    next !== null && outputs.length < MOST_RESHAPES;
  ) {
    const value = furthest(next);
    outputs.push(value);
    next = onlyReader(value, "reshape");
  }
  // Outermost first, by as many reshapes on both sides; then whatever pair is known to have one rank.
  for (let n = Math.min(inputs.length, outputs.length) - 1; n >= 0; n--) {
    const [input, output] = [inputs[n], outputs[n]];
    if (input !== undefined && output !== undefined && isSameRank(input, output) !== false)
      return { input, output };
  }
  for (const output of [...outputs].reverse()) {
    const input = [...inputs].reverse().find((value) => isSameRank(value, output) === true);
    if (input !== undefined) return { input, output };
  }
  return { input: source, output: outputs[0] ?? result };
}

/** Null when a rank is not known. */
function isSameRank(a: Value, b: Value): boolean | null {
  const [x, y] = [rankOf(a), rankOf(b)];
  return x === null || y === null ? null : x === y;
}

/** Follows a value through casts, and through QuantizeLinear with the DequantizeLinear behind it. */
function furthest(value: Value): Value {
  let at = value;
  for (;;) {
    const quantized = onlyReader(at, "quantize");
    const next =
      onlyReader(at, "retype") ?? (quantized === null ? null : onlyReader(quantized, "dequantize"));
    if (next === null) return at;
    at = next;
  }
}

/** What a node of some kind makes of a value that it alone reads. */
function onlyReader(value: Value, trait: Trait): Value | null {
  const [use] = value.uses;
  if (value.uses.size !== 1 || use?.kind !== "input" || use.index !== 0 || !has(use.node, trait)) return null;
  return use.node.output(0);
}

/** The element type of a value that is a view of one of type `dtype`. */
export function dtypeThrough(value: Value, source: Value, dtype: DType | null): DType | null {
  const chain = viewChain(value);
  const cast = chain.slice(0, chain.indexOf(source)).find((v) => v.producer?.op === "Cast")?.producer;
  return cast === undefined || cast === null ? dtype : (dtypeOf(cast.int("to") ?? 0) ?? null);
}
