import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { elementTypeOf } from "../../ops/element-type.ts";
import type { GraphIndex } from "../graph-index.ts";
import { sourcesOf } from "../flow.ts";
import { onlyReader } from "../norm/readers.ts";
import { Elements } from "../symbolic/elements.ts";
import type { Shapes, ShapesLike, Sizes } from "../symbolic/shapes.ts";
import type { Inexact } from "./exact.ts";
import { productsUnder, sourcesUnder, viewedAs } from "./rotary-operands.ts";
import { RotaryReading, type Layout } from "./rotary-reading.ts";
import { findTable, type RotaryTable } from "./rotary-table.ts";
import { recognizeTurn } from "./rotary.ts";

/**
 * A rotary embedding as one op computes it. Of the features that are turned, two belong together: `a·cos - b·sin` and
 * `b·cos + a·sin` are what becomes of a and b.
 */
export interface ExactRotary {
  /** `[batch, heads, sequence, width]`, or heads behind the sequence. */
  readonly input: Value;
  /** Of the same shape. */
  readonly output: Value;
  /** Which axis is the heads'. */
  readonly headAxis: 1 | 2;
  /** Null where it is not a fixed number. */
  readonly heads: number | null;
  readonly width: number;
  /** How many of each head's first features are turned; the others are handed on. */
  readonly rotaryDim: number;
  /** Whether neighbours belong together, and not features of two halves. */
  readonly interleaved: boolean;
  /** Whether neighbours of the input become features of two halves. */
  readonly regroups: boolean;
  readonly cos: RotaryTable;
  readonly sin: RotaryTable;
}

/** Types that the op has. */
const dtypes: ReadonlySet<string | null> = new Set(["float", "float16", "bfloat16"]);

/** Proves that plain ops are a rotary embedding and nothing else. */
export class RotaryProver {
  readonly #index: GraphIndex;
  readonly #elements: Elements;

  /** @param like what is known of shapes */
  constructor(index: GraphIndex, like: ShapesLike) {
    this.#index = index;
    this.#elements = new Elements(like);
  }

  get shapes(): Shapes {
    return this.#elements.shapes;
  }

  get elements(): Elements {
    return this.#elements;
  }

  /** What a node ends; null where it ends no rotary embedding. */
  prove(node: Node): ExactRotary | Inexact | null {
    const turn = recognizeTurn(node, this.#index);
    if (turn === null || sourcesOf(node.result, this.#index).linears.size === 0) return null;
    const output = viewedAs(node.result, (value) => this.shapes.of(value)?.length === 4);
    const sizes = this.shapes.of(output);
    if (output === null || !sizes) return { why: "the shape of what is turned is not understood" };
    const dtype = elementTypeOf(output);
    if (!dtypes.has(dtype)) return { why: `it is turned in ${dtype ?? "a type that is not known"}` };
    const rotaryDim = sizes[3]?.constant ?? null;
    if (rotaryDim === null || rotaryDim % 2 !== 0)
      return { why: "how many features are turned is not known, or odd" };
    const products = productsUnder(node);
    const operands = products.map(({ inputs }) => sourcesUnder(inputs));
    const inputs = [...(operands[0] ?? [])].filter((value) => this.#isInput(value, sizes, operands));
    for (const input of inputs) {
      const found = this.#turned(input, output, sizes, this.#firstFirst(operands));
      if (found !== null) return this.#widened(found);
    }
    return { why: "what is made of each feature is not proved to be a·cos - b·sin or b·cos + a·sin" };
  }

  /** What all products are of, and a linear has made, of the shape of the result. */
  #isInput(value: Value, sizes: Sizes, operands: readonly ReadonlySet<Value>[]): boolean {
    if (!operands.every((all) => all.has(value)) || !haveSame(this.shapes.of(value), sizes)) return false;
    return sourcesOf(value, this.#index).linears.size > 0;
  }

  /** The values in the order in which the graph makes them: layers share what is made before them. */
  #firstFirst(values: readonly ReadonlySet<Value>[]): readonly Value[] {
    const places = new Map(
      values
        .flatMap((all) => [...all])
        .map((value) => [value, value.producer === null ? -1 : this.#index.position(value.producer)]),
    );
    return [...places.keys()].sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
  }

  #turned(input: Value, output: Value, sizes: Sizes, among: readonly Value[]): ExactRotary | null {
    const width = sizes[3]?.constant ?? 0;
    const reading = new RotaryReading(this.shapes, this.#elements, input, sizes, width / 2);
    for (const [from, to] of layouts) {
      const factors = reading.factors(output, from, to);
      if (factors === null) continue;
      for (const headAxis of [1, 2] as const) {
        const [cos, sin] = [factors.cos, factors.sin].map((of) => findTable(of, among, reading, headAxis));
        if (!cos || !sin) continue;
        const heads = sizes[headAxis]?.constant ?? null;
        return {
          ...{ input, output, headAxis, heads, width, rotaryDim: width, cos, sin },
          ...{ interleaved: to === "pairs", regroups: from !== to },
        };
      }
    }
    return null;
  }

  /** The same with the features that are only handed on, where these are joined with the turned ones and nothing else is. */
  #widened(found: ExactRotary): ExactRotary {
    const { rotaryDim } = found;
    const [cut, joined] = [found.input.producer, onlyReader(found.output)];
    const whole = cut?.op === "Slice" || cut?.op === "Split" ? cut.input(0) : null;
    const sizes = this.shapes.of(whole);
    const width = sizes?.[3]?.constant ?? null;
    if (whole === null || !sizes || width === null || joined?.op !== "Concat" || found.regroups) return found;
    const output = joined.result;
    if (!haveSame(this.shapes.of(output), sizes)) return found;
    const own = new RotaryReading(this.shapes, this.#elements, whole, sizes, rotaryDim);
    const rest = new RotaryReading(this.shapes, this.#elements, whole, sizes, width - rotaryDim);
    const isWhole = own.isSame(found.input, 0) && rest.isSame(output, rotaryDim) && this.#isAt(found, output);
    return isWhole ? { ...found, input: whole, output, width } : found;
  }

  /** Whether what is turned is in front of what a joined value has besides. */
  #isAt({ output, rotaryDim }: ExactRotary, joined: Value): boolean {
    const sizes = this.shapes.of(output);
    if (sizes === null) return false;
    return new RotaryReading(this.shapes, this.#elements, output, sizes, rotaryDim).isSame(joined, 0);
  }
}

/** How features lie before and after. */
const layouts: readonly (readonly [from: Layout, to: Layout])[] = [
  ["halves", "halves"],
  ["pairs", "pairs"],
  ["pairs", "halves"],
];

function haveSame(one: Sizes | null, other: Sizes): boolean {
  return one?.length === other.length && one.every((size, axis) => size.key === other[axis]?.key);
}
