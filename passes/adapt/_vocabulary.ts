import type { Model } from "../../compiler/ir/model.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { asTensor, tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { integersOf } from "../../compiler/ops/constant.ts";
import { has } from "../../compiler/ops/table.ts";
import { weightOf } from "../../compiler/recognize/linear/weight.ts";
import type { ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import type { WeightTensor } from "../../compiler/weights/weight.ts";

/** Parameters with a row for each token. A vocabulary grows in all of them that a checkpoint has. */
const tables = ["model.embed_tokens.weight", "lm_head.weight"] as const;
const ofTokens: ReadonlySet<string> = new Set<string>([...tables, "lm_head.bias"]);

/** How many tokens a checkpoint's embeddings and head have where both are there and agree; else null. */
export function vocabularyOf(weights: ReadonlyMap<string, WeightTensor>): number | null {
  const [embeddings, head] = tables.map((name) => weights.get(name)?.shape[0]);
  return embeddings !== undefined && embeddings === head ? embeddings : null;
}

/** A place as a parameter of another vocabulary has it; of every other parameter as it is. */
export function placeOfVocabulary(
  name: string,
  place: ParameterPlace,
  tokens: number | null,
): ParameterPlace {
  if (tokens === null || !ofTokens.has(name) || place.packed !== null) return place;
  return { ...place, shape: [tokens, ...place.shape.slice(1)] };
}

/**
 * Gives the logits of a head whose vocabulary has changed their new width, in the types of all values up to the
 * graph's outputs, and in what Reshapes say of it.
 *
 * @param head the node that multiplies, whose weight has been replaced
 * @returns why the graph cannot have another vocabulary, as a clause; null where it has it now
 */
export function widenLogits(
  model: Model,
  rw: Rewriter,
  head: Node,
  before: number,
  after: number,
): string | null {
  const pending: Value[] = [];
  const seen = new Set<Value>();
  const widen = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    pending.push(value);
    const type = asTensor(value.type);
    if (type?.shape?.at(-1) === before)
      rw.setType(value, tensorType(type.dtype, [...type.shape.slice(0, -1), after]));
  };
  if (readsOld([head.input(2)], before)) return "the bias of its head has the old vocabulary";
  head.outputs.forEach(widen);
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    for (const node of value.users) {
      const obstacle = carry(model, rw, { node, value, before, after });
      if (obstacle !== null) return obstacle;
      if (keepsFeatures(node)) node.outputs.forEach(widen);
    }
  }
  return null;
}

interface Carrying {
  readonly node: Node;
  readonly value: Value;
  readonly before: number;
  readonly after: number;
}

/** Ops that choose among logits, or say something of all: their results have no axis of tokens. */
const ends: ReadonlySet<string> = new Set(["ArgMax", "ArgMin", "TopK", "Shape", "Size"]);
/** Ops over the axis of tokens, or on each by itself, that no trait names. */
const alike: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax", "Identity", "Dropout"]);

function keepsFeatures(node: Node): boolean {
  return !ends.has(node.op);
}

function carry(model: Model, rw: Rewriter, { node, value, before, after }: Carrying): string | null {
  if (ends.has(node.op) || alike.has(node.op) || has(node, "retype")) return null;
  if (has(node, "elementwise")) {
    const others = node.inputs.filter((input) => input !== value);
    return readsOld(others, before) ? `its logits meet numbers of the old vocabulary (${node.op})` : null;
  }
  if (node.op === "Gather" && node.input(0) === value) {
    const rank = asTensor(value.type)?.shape?.length ?? null;
    const axis = node.int("axis") ?? 0;
    if (axis >= 0 && (rank === null || axis < rank - 1)) return null;
  }
  if (node.op === "Reshape" && node.input(0) === value && reshaped(model, rw, node, before, after))
    return null;
  return `its logits go through ${node.op}, which may depend on the vocabulary`;
}

/** Whether one of the operands has the old width: a bias, say. */
function readsOld(values: readonly (Value | null)[], before: number): boolean {
  return values.some((value) => weightOf(value)?.shape.at(-1) === before);
}

/** Writes the new width where a Reshape's shape ends with the old one; false where it says something else. */
function reshaped(model: Model, rw: Rewriter, node: Node, before: number, after: number): boolean {
  const shape = node.input(1);
  const numbers = integersOf(shape);
  if (numbers?.at(-1) === -1) return true;
  if (numbers?.at(-1) === before) {
    rw.setInput(node, 1, int64(model, rw, node, [...numbers.slice(0, -1), after]));
    return true;
  }
  const joining = shape?.producer;
  if (joining?.op !== "Concat" || shape?.uses.size !== 1) return false;
  const last = joining.inputs.length - 1;
  const [width, ...more] = integersOf(joining.input(last)) ?? [];
  if (width === -1) return true;
  if (width !== before || more.length > 0) return false;
  rw.setInput(joining, last, int64(model, rw, joining, [after]));
  return true;
}

function int64(model: Model, rw: Rewriter, at: Node, numbers: readonly number[]): Value {
  const bytes = new Uint8Array(BigInt64Array.from(numbers, (n) => BigInt(n)).buffer);
  const tensor = new Tensor("int64", [numbers.length], { kind: "memory", bytes });
  const value = rw.value(
    madeBy("override-weights", [at.loc]),
    "vocabulary",
    tensorType("int64", tensor.shape),
    tensor,
  );
  return rw.addInitializer(model.graph, value);
}
