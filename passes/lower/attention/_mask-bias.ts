import { after, before, Builder } from "../../../compiler/ir/builder.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { scalarOf } from "../../../compiler/ops/constant.ts";
import { elementTypeOf } from "../../../compiler/ops/element-type.ts";
import { has } from "../../../compiler/ops/table.ts";
import type { ExactMask } from "../../../compiler/recognize/attention/exact.ts";

/** Hides a score: finite, so that a row that sees nothing gives no NaN. */
const HIDDEN: Partial<Record<DType, number>> = { float16: -65504, bfloat16: -3.3895313892515355e38 };
const HIDDEN_FLOAT = -3.4028234663852886e38;

/** A mask and the sizes that it must have. */
export interface WantedMask {
  readonly mask: ExactMask;
  readonly dtype: DType;
  /** New tokens and tokens in all, vectors of one element; null where the mask has these sizes already. */
  readonly sizes: readonly [Value, Value] | null;
}

/** Masks as what is added to scores, `[rows or 1, heads or 1, new tokens, tokens]`: each once, for all layers that have it. */
export class MaskBiases {
  readonly #rw: Rewriter;
  readonly #graph: Graph;
  readonly #made = new Map<string, Map<Value, Value>>();

  constructor(rw: Rewriter, graph: Graph) {
    this.#rw = rw;
    this.#graph = graph;
  }

  of({ mask, dtype, sizes }: WantedMask): Value {
    const key = `${mask.kind} ${dtype}`;
    let known = this.#made.get(key);
    if (known === undefined) this.#made.set(key, (known = new Map<Value, Value>()));
    let bias = known.get(mask.value);
    if (bias === undefined) known.set(mask.value, (bias = this.#make({ mask, dtype, sizes })));
    return bias;
  }

  #make({ mask: { value, kind }, dtype, sizes }: WantedMask): Value {
    const b = new Builder(this.#rw, this.#placeFor(value));
    const name = value.name ?? "mask";
    const low = HIDDEN[dtype] ?? HIDDEN_FLOAT;
    const [none, hidden] = [0, low].map(
      (number) => (): Value => b.constant(dtype, [], [number], `${name}_${number === 0 ? "none" : "hidden"}`),
    );
    if (none === undefined || hidden === undefined) return value;
    let bias = value;
    if (kind === "show") bias = b.op("Where", [value, none(), hidden()], `${name}_bias`);
    if (kind === "hide") bias = b.op("Where", [value, hidden(), none()], `${name}_bias`);
    const own = (kind === "add" ? elementTypeOf(value) : null) ?? dtype;
    const least = (): Value => b.constant(own, [], [low], `${name}_least`);
    if (own !== dtype) bias = b.cast(b.op("Max", [value, least()], `${name}_kept`), dtype, `${name}_bias`);
    // In half precision the op gives NaN, and in float 0, where all scores of a row are infinitely low.
    else if (kind === "add" && HIDDEN[dtype] !== undefined && canBeInfinite(value))
      bias = b.op("Max", [value, least()], `${name}_bias`);
    return sizes === null
      ? bias
      : b.op("Expand", [bias, b.vector([1, 1, ...sizes], `${name}_sizes`)], `${name}_wide`);
  }

  #placeFor({ producer }: Value) {
    if (producer !== null) return after(producer);
    const [first] = this.#graph.nodes;
    if (first === undefined) throw new Error("a graph without nodes");
    return before(first);
  }
}

/** Whether a mask that is added may hold -∞: not where it chooses between two finite numbers, laid out in any way. */
function canBeInfinite(value: Value): boolean {
  let at: Value | null = value;
  for (let steps = 0; at !== null && steps < MOST_VIEWS; steps++) {
    const node: Node | null = at.producer;
    if (node?.op === "Where") return [1, 2].some((i) => !Number.isFinite(scalarOf(node.input(i)) ?? NaN));
    if (node === null || !(has(node, "view") || ["Expand", "Slice"].includes(node.op))) return true;
    at = node.input(0);
  }
  return true;
}

/** No exporter lays a mask out in more steps. */
const MOST_VIEWS = 16;
