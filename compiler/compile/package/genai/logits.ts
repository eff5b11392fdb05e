import { attribute } from "../../../ir/attribute.ts";
import { before, Builder } from "../../../ir/builder.ts";
import { Rewriter } from "../../../ir/rewriter.ts";
import { tensorOf } from "../../../ir/scalar.ts";
import { asTensor, tensorType } from "../../../ir/type.ts";
import type { Value } from "../../../ir/value.ts";
import type { GraphPort, PackagedModel } from "../graph.ts";
import type { GenaiDecoder } from "./decoder.ts";

/** The first opset whose ArgMax can be asked for the last of several. */
const LAST_OF_LARGEST = 12;

/**
 * Has a graph compute one position's logits for each row where it lets its caller choose, which onnxruntime-genai does
 * not: the last position; by rows the last one of the row's own tokens, which its paddings stand behind.
 *
 * @returns whether the graph was changed
 */
export function fixLogits(packaged: PackagedModel, decoder: GenaiDecoder): boolean {
  const { choosesLogits, logits } = decoder;
  if (choosesLogits === null) return false;
  const rw = new Rewriter();
  const { value, role } = choosesLogits;
  const fixed = role === "logitRows" ? lastRows(packaged, decoder, rw) : one(choosesLogits, packaged, rw);
  if (fixed !== value) rw.replaceUses(value, fixed);
  rw.removeInput(packaged.model.graph, value);
  const type = asTensor(logits.value.type);
  if (type?.shape !== undefined)
    rw.setType(logits.value, { kind: type.kind, dtype: type.dtype, shape: type.shape.with(1, 1) });
  return true;
}

/** How many positions: the input's default becomes a constant, where it has one. */
function one({ value, dims }: GraphPort, { model }: PackagedModel, rw: Rewriter): Value {
  if (value.constant !== undefined) return value;
  const shape = dims.map(() => 1);
  const made = rw.value(
    value.loc,
    `${value.name ?? "logits"}_fixed`,
    undefined,
    tensorOf("int64", shape, [1]),
  );
  rw.setType(made, tensorType("int64", shape));
  return rw.addInitializer(model.graph, made);
}

/**
 * The last attended position of each row, as an index into the tokens that are fed, `[batch, 1]`. genai puts paddings
 * behind a row's tokens, and a mask that is 0 there; without a mask it is the last of all.
 */
function lastRows({ model }: PackagedModel, { tokens, mask }: GenaiDecoder, rw: Rewriter): Value {
  const [first] = model.graph.nodes;
  if (first === undefined) throw new Error("a graph without nodes has no logits");
  const b = new Builder(rw, before(first));
  if (mask === null || b.opset < LAST_OF_LARGEST) {
    const shape = b.vector([b.dim(tokens.value, 0, "logits_batch"), 1], "logits_rows_shape");
    return b.op("Expand", [b.constant("int64", [1, 1], [-1], "logits_last"), shape], "logits_rows_last");
  }
  const seen = b.cast(mask.value, "float", "logits_seen");
  const last = b.op("ArgMax", [seen], "logits_last_seen", {
    axis: attribute.int(1),
    keepdims: attribute.int(1),
    select_last_index: attribute.int(1),
  });
  const past = b.op(
    "Sub",
    [b.dim(mask.value, 1, "logits_total"), b.dim(tokens.value, 1, "logits_fed")],
    "logits_past",
  );
  return b.op("Sub", [last, past], "logits_rows_last");
}
