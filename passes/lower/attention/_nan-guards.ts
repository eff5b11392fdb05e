import { after, before, Builder } from "../../../compiler/ir/builder.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { dropIfUnread, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { elementTypeOf } from "../../../compiler/ops/element-type.ts";
import type { Attention } from "../../../compiler/recognize/attention/attention.ts";
import type { ExactAttention } from "../../../compiler/recognize/attention/exact.ts";

/** Half of what the type holds: with any score added it is finite, and nothing beside a score that is not hidden. */
const LEAST: Partial<Record<DType, number>> = { float: -1.7014117331926443e38, float16: -32752 };

/**
 * Takes away what keeps the probabilities of a row that sees nothing from being NaN, `Where (IsNaN (p), 0, p)`: for
 * providers without `IsNaN`, which copy the probabilities of each layer to the CPU and back for it. The mask is made
 * finite instead, once for all layers that have it.
 */
export class NanGuards {
  readonly #rw: Rewriter;
  readonly #finite = new Map<Value, Value>();

  constructor(rw: Rewriter) {
    this.#rw = rw;
  }

  /** Leaves alone what has no guard, and what hides in another way than by an addend. */
  drop({ anchor }: Attention, { mask }: ExactAttention): void {
    const [probabilities] = anchor.node.outputs;
    const guard = probabilities === undefined ? null : guardOf(probabilities);
    const added =
      mask === null ? null : ([...mask.value.users].find((node) => anchor.between.includes(node)) ?? null);
    if (probabilities === undefined || guard === null || mask?.kind !== "add" || added === null) return;
    const least = LEAST[elementTypeOf(mask.value) ?? "float"];
    if (least === undefined) return;
    const finite = this.#finiteOf(mask.value, least);
    this.#rw.replaceUses(mask.value, finite, (use) => use.kind === "input" && use.node === added);
    takeOver(this.#rw, guard, probabilities);
    dropIfUnread(this.#rw, [guard]);
  }

  #finiteOf(mask: Value, least: number): Value {
    const known = this.#finite.get(mask);
    if (known !== undefined) return known;
    const place = mask.producer ?? mask.graph?.first ?? null;
    if (place === null) throw new Error("a mask of no graph");
    const b = new Builder(this.#rw, mask.producer === null ? before(place) : after(place));
    const name = mask.name ?? "mask";
    const low = b.constant(elementTypeOf(mask) ?? "float", [], [least], `${name}_least`);
    const made = b.op("Max", [mask, low], `${name}_finite`);
    if (mask.type !== undefined) this.#rw.setType(made, mask.type);
    this.#finite.set(mask, made);
    return made;
  }
}

/** What probabilities become where those that are NaN are zero; null where nothing makes them so. */
function guardOf(probabilities: Value): Value | null {
  const isGuard = (node: Node): boolean =>
    node.op === "Where" && node.input(0)?.producer?.op === "IsNaN" && node.input(2) === probabilities;
  return [...probabilities.users].find(isGuard)?.output(0) ?? null;
}
