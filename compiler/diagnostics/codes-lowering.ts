import { error, note, warning } from "./row.ts";

/** The largest finite number of each type, to as many digits as tell it from those beyond. */
const largest: Readonly<Record<string, string>> = {
  float16: "65504",
  bfloat16: "3.3895e38",
  float: "3.4028e38",
};

function rangeOf(type: string): string {
  const most = largest[type];
  return most === undefined ? "finite numbers" : `finite numbers from -${most} to ${most}`;
}

/** Of what stands in for a number in a list of all messages, too. */
function isBounded(value: number): boolean {
  return Math.abs(value) < Infinity;
}

/** Messages about how the base's own ops and weights are written anew. */
export const loweringCodes = {
  DTYPE_SAME: note((p: { dtype: string }) => ({
    what: `the model is ${p.dtype} already: nothing is converted`,
  })),
  DTYPE_UNSUPPORTED: error((p: { to: string; why: string; inWay: "model" | "ports" }) => ({
    what: `the model cannot be converted to ${p.to}`,
    wanted: "weights of float32, and ops whose types are known",
    found: p.why,
    fix:
      p.inWay === "ports"
        ? "leave out `ioDtype`, or give the export in float32"
        : "give the export in float32, or compile without `dtype`",
  })),
  DTYPE_NO_KERNEL: warning((p: { provider: string; count: number; types: string; ops: string }) => ({
    what: `onnxruntime cannot load this graph on ${p.provider}`,
    wanted: `kernels for ${p.types}${p.provider === "cpu" ? "" : ", there or on the CPU"}`,
    found: `none for ${p.count === 1 ? "one node" : `${p.count} nodes`}: ${p.ops}`,
    fix: "take another `dtype`, or compile `for` a provider that has them; `strict` makes this an error",
  })),
  WEIGHT_OUT_OF_RANGE: error((p: { to: string; at: readonly number[]; value: number }) => ({
    what: `a weight is ${isBounded(p.value) ? `beyond what ${p.to} holds` : "not finite"}; nothing was written`,
    wanted: rangeOf(p.to),
    found: `${p.value} at [${p.at.join(", ")}]`,
    fix: !isBounded(p.value)
      ? "export the model again, from weights that are all finite: no `dtype` helps"
      : p.to === "float16"
        ? "take `dtype: bf16`, whose range is that of float32"
        : `leave out \`dtype\`: float32 holds it, and ${p.to} does not`,
  })),
  ADAPTER_OUT_OF_RANGE: error((p: { to: string; index: number; value: number }) => ({
    what: `a weight of the adapter is beyond what ${p.to} holds, the type that the graph has there; nothing was written`,
    wanted: rangeOf(p.to),
    found: `${p.value} at index ${p.index}`,
    fix:
      p.to === "float16"
        ? "compile an export in float32, without `dtype` or with `dtype: bf16`, whose range is that of float32"
        : "train again with a smaller learning rate, or take an earlier checkpoint",
  })),
  LAST_LOGITS_REFUSED: error((p: { option: string; why: string }) => ({
    what: "positions cannot be dropped in front of the head",
    wanted: "a head that makes each position's logits of that position alone, and of all positions",
    found: p.why,
    fix: `leave out \`${p.option}\``,
  })),
  ATTENTION_KEPT: warning((p: { why: string }) => ({
    what: "this attention stays in plain ops",
    wanted: "softmax(scale · query · keyᵀ + mask) · value and nothing else, as an attention op computes it",
    found: p.why,
    fix: "nothing need be done: the graph computes the same; `strict` makes this an error",
  })),
  KV_SHARED_REFUSED: error((p: { why: string; cause?: "op" | "type"; remedy?: string }) => ({
    what: "the cache of this attention cannot be one buffer for past and present",
    wanted:
      "attention as one op that writes into its cache, and a graph that reads nothing else of the cache",
    found: p.why,
    fix:
      p.cause === "op"
        ? "leave out `kv`: the op and its cache stay as they are then"
        : p.cause === "type"
          ? `${p.remedy ?? "give another `dtype`"}, or leave out \`kv\`: caches are concatenated then`
          : "leave out `kv`: caches are concatenated then",
  })),
  KV_SHARED_CONVERTED: note((p: { outside: string; inside: string }) => ({
    what: `caches are ${p.outside} outside and ${p.inside} inside: each run converts the whole buffers, both ways`,
    fix: "leave out `ioDtype`: callers keep caches as the op has them then, and nothing of them is copied",
  })),
  KV_LENGTH_UNKNOWN: error((p: { unread: readonly string[] }) => ({
    what: "how many positions a shared cache is to hold is not known",
    wanted:
      "`maxLength`, or the model's context length: in tables of its rotary embedding, or in a config.json or genai_config.json beside it",
    found: p.unread.length === 0 ? "none" : p.unread.join("; "),
    fix: "give `maxLength`",
  })),
  KV_LENGTH_BEYOND: error((p: { length: number; context: number; source: string }) => ({
    what: "a shared cache would be longer than the model's context",
    wanted: `${p.context} positions at most, as ${p.source} says`,
    found: String(p.length),
    fix: "give a smaller `maxLength`",
  })),
  NORM_KEPT: warning((p: { count: number; why: string }) => ({
    what:
      p.count === 1 ? "this norm stays in plain ops" : `this norm and ${p.count - 1} more stay in plain ops`,
    wanted: "x / √(mean(x²) + ε) over the last axis, and nothing else that reads what it is made of",
    found: p.why,
    fix: "nothing need be done: the graph computes the same; `strict` makes this an error",
  })),
  ROTARY_KEPT: warning((p: { count: number; why: string }) => ({
    what:
      p.count === 1
        ? "this rotary embedding stays in plain ops"
        : `this rotary embedding and ${p.count - 1} more stay in plain ops`,
    wanted: "a·cos - b·sin and b·cos + a·sin of each two features, by tables of the positions",
    found: p.why,
    fix: "nothing need be done: the graph computes the same; `strict` makes this an error",
  })),
  PACK_KEPT: warning((p: { count: number; why: string }) => ({
    what:
      p.count === 1
        ? "these projections stay products of their own"
        : `these projections, and those of ${p.count - 1} more blocks, stay products of their own`,
    wanted: "products of one value, written alike, with constant weights that nothing else reads",
    found: p.why,
    fix: "nothing need be done: the graph computes the same; `strict` makes this an error",
  })),
  PACK_NOTHING: note((p: { already: number }) => ({
    what:
      p.already === 0
        ? "there is nothing to pack: no block has projections of its own for q, k and v, or for gate and up"
        : "there is nothing to pack: what there is of q, k and v, or of gate and up, is packed already",
  })),
  QUANTIZE_KEPT: warning((p: { count: number; why: string }) => ({
    what:
      p.count === 1
        ? "these weights stay in floating point"
        : `these weights, and those at ${p.count - 1} more nodes, stay in floating point`,
    wanted: "a projection with a constant matrix of floats, of which there is a quantized kernel",
    found: p.why,
    fix: "nothing need be done: the graph runs with both; `strict` makes this an error",
  })),
  QUANTIZE_NOTHING: error((p: { found: string; remedy?: string }) => ({
    what: "there is nothing to quantize",
    wanted: "projections with constant matrices of floats, of which there are quantized kernels",
    found: p.found,
    fix:
      p.remedy === undefined
        ? "leave out `quantize`, or give a model in floating point"
        : `${p.remedy}, or leave out \`quantize\``,
  })),
  QUANTIZE_NOT_FINITE: error((p: { value: number; at: readonly number[]; dtype: string }) => ({
    what: "a weight cannot be quantized",
    wanted: "finite numbers",
    found: `${p.value} at [${p.at.join(", ")}], as ${p.dtype}`,
    fix: "export the model again, from weights that are all finite",
  })),
  QUANTIZE_RANGE: error((p: { least: number; most: number; at: readonly number[] }) => ({
    what: "the weights of a block lie too far apart to be quantized",
    wanted: "in each block, a range from the least to the most that is finite in float32",
    found: `${p.least} and ${p.most} in the block that begins at [${p.at.join(", ")}]`,
    fix: "give `symmetric`, which takes no range, or mend the weights",
  })),
  PAGED_ATTENTION_UNSUPPORTED: error((p: { op: string; wanted: string; found: string }) => ({
    what: `${p.op} cannot be written with standard ops`,
    wanted: p.wanted,
    found: p.found,
    fix: "leave out `lowerPagedAttention` and run the model where onnxruntime has a kernel for the op",
  })),
  LAST_LOGITS_OF_LOOP: note(() => ({
    what: "`lastLogits` changes nothing beside `decodeLoop`: a loop computes the last position's logits only",
    fix: "leave out `lastLogits`",
  })),
  PAGED_ATTENTION_NONE: note(() => ({
    what: "there is no paged attention that would have to be written with standard ops",
    fix: "leave out `lowerPagedAttention`: it changes nothing here",
  })),
  BATCH_NO_ROWS: error((p: { found: string }) => ({
    what: "the graph has no rows whose number could be fixed",
    wanted: "token ids [rows, tokens], or a mask or cache with an axis of rows",
    found: p.found,
    fix: "leave out `batch`: tokens that stand in one line are of any number of rows",
  })),
  BATCH_FIXED: error((p: { rows: number; fixed: number; found: string }) => ({
    what: "the graph takes another number of rows",
    wanted:
      p.rows === 1 ? "inputs of one row, or of any number" : `inputs of ${p.rows} rows, or of any number`,
    found: p.found,
    fix: `leave out \`batch\`, give ${p.fixed}, or export the model with a batch of any size`,
  })),
  BATCH_SAME: note((p: { rows: number }) => ({
    what: `the graph takes ${p.rows === 1 ? "one row" : `${p.rows} rows`} already: nothing is changed`,
    fix: "leave out `batch`",
  })),
  BATCH_SYMBOL: error((p: { symbol: string; found: string }) => ({
    what: "a name that counts rows counts something else as well",
    wanted: "a name of its own for the number of rows",
    found: `"${p.symbol}" on another axis of ${p.found}`,
    fix: "leave out `batch`, or export the model with a name for each axis that may have any size",
  })),
  UNPADDED_REFUSED: error((p: { wanted: string; found: string }) => ({
    what: "what this graph is told of padding cannot be left out",
    wanted: p.wanted,
    found: p.found,
    fix: "leave out `unpadded`: with `batch: 1` the graph takes mask and positions as the base does",
  })),
  UNPADDED_NOTHING: error((p: { found: string }) => ({
    what: "the graph is told nothing of padding that could be left out",
    wanted: "an input of positions, or a mask [rows, tokens]",
    found: p.found,
    fix: "leave out `unpadded`: the graph does without mask and positions already",
  })),
  ALREADY_LOWERED: error((p: { provider: string }) => ({
    what: "the model has been lowered by tfc already",
    wanted: "a model as its exporter wrote it",
    found: `one that was compiled with \`for: ${p.provider}\``,
    fix: "leave out `for`, or compile the model that this one was made of",
  })),
} as const;
