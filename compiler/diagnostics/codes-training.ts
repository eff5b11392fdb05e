import { error, warning } from "./row.ts";

/** More names than these say nothing more. */
const MOST_NAMES = 20;

function listed(names: readonly string[]): string {
  const rest = names.length - MOST_NAMES;
  return [...names.slice(0, MOST_NAMES), ...(rest > 0 ? [`and ${rest} more`] : [])].join(", ");
}

/** Messages about graphs that train. */
export const trainingCodes = {
  // ---- training graphs
  TRAIN_METADATA_INVALID: error((p: { key: string; found: string }) => ({
    what: `the model's metadata "${p.key}" is no description of a training step`,
    wanted: "JSON with version 1, emit, memory, accumulate, dropout, lossScale, vocabulary and parameters",
    found: p.found,
    fix: "compile the base model again",
  })),
  TRAIN_REFUSED: error((p: { why: string; isCompiled?: boolean }) => ({
    what: "this graph cannot be made one that trains",
    wanted:
      "a decoder of token ids with no other inputs than masks, positions, lengths and caches of keys and values",
    found: p.why,
    fix:
      p.isCompiled === true
        ? "train its base, the graph that it was compiled from"
        : "export the model again as a decoder of [batch, tokens], such as `optimum-cli export onnx` writes it",
  })),
  TRAIN_NOTHING: error(() => ({
    what: "there is nothing to train",
    wanted: "adapters, replaced projections, or weights of the base",
    found: "`adapters: false` without `base`",
    fix: "leave out `adapters: false`, name weights with `base`, or take `emit: loss`, which trains nothing",
  })),
  TRAIN_BASE_NONE: error((p: { word: string }) => ({
    what: `"${p.word}" chooses no weight of this model`,
    wanted: "words for weights that the graph has",
    found: `no weight that "${p.word}" stands for`,
    fix: "leave the word out of `base`; `tfc inspect` shows which blocks were understood",
  })),
  TRAIN_BASE_REFUSED: error((p: { name: string; why: string }) => ({
    what: `the weight "${p.name}" of the base cannot be trained`,
    wanted: "a weight of floats that the graph uses as it is stored",
    found: p.why,
    fix: "leave it out of `base`, or compile a model whose weights are not quantized",
  })),
  TRAIN_BASE_LEFT_OUT: warning((p: { names: readonly string[]; elements: number }) => ({
    what: `${p.names.length} weights of the base stay as they are, ${p.elements} numbers in all`,
    wanted: "weights that `base` stands for, in a form that is known",
    found: listed(p.names),
    fix: "to train them, export the model in another way, such as transformers' own exporter; to leave them is safe",
  })),
  TRAIN_BASE_PARTIAL: error((p: { names: readonly string[] }) => ({
    what: `${p.names.length} weights of the base would keep the numbers that they were trained to`,
    wanted: "a model whose weights all begin at random",
    found: listed(p.names),
    fix: "export the model in another way, or leave out `fromScratch`",
  })),
  ALREADY_TRAINING: error((p: { cannot: string }) => ({
    what: `this graph is a training step, and ${p.cannot}`,
    wanted: "the base model, or one compiled without `train`",
    found: "a graph compiled with `train`",
    fix: "compile the base without `train`; what was trained goes with it by `load`",
  })),
  TRAIN_MASK_UNREAD: warning(() => ({
    what: "no attention of this graph is told of padding",
    wanted: "a graph with a mask, or attention as an op that takes one",
    found: "attention in plain ops that sees every token before its own",
    fix: "pad rows on the right, as `tfc train` does: what stands behind a token changes nothing",
  })),
  LOSS_REFUSED: error((p: { why: string }) => ({
    what: "the loss of tokens cannot be computed from this graph",
    wanted: "logits that the head makes of each position by itself",
    found: p.why,
    fix: "export the model again with the logits of all positions as its output",
  })),
  // ---- gradients
  NO_GRADIENT_RULE: error((p: { ops: readonly string[]; why: string }) => ({
    what: "the graph cannot be differentiated",
    wanted: "between the parameters that are trained and the loss, ops that gradients have a rule for",
    found: `${p.ops.join(", ")}${p.why === "" ? "" : `: ${p.why}`}`,
    fix: "put adapters behind these ops only, or export the model so that they are written in others",
  })),
} as const;
