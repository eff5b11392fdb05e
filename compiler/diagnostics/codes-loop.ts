import { error } from "./row.ts";

/** Messages about graphs that generate by themselves. */
export const loopCodes = {
  // ---- decode loops
  DECODE_LOOP_REFUSED: error((p: { why: string }) => ({
    what: "this graph cannot be made a loop that generates",
    wanted:
      "a decoder of token ids [batch, tokens] with a cache of keys and values, and no other inputs than masks, positions and adapters",
    found: p.why,
    fix: "leave out `decodeLoop`: `tfc generate` runs such a graph step by step",
  })),
  ALREADY_LOOP: error(() => ({
    what: "this graph is a loop of decoder steps already",
    wanted: "the decoder that it was made of",
    found: "a graph compiled with `decodeLoop`",
    fix: "compile the base model again, with all that the graph is to have",
  })),
  LOOP_METADATA_INVALID: error((p: { key: string; found: string }) => ({
    what: `the model's metadata "${p.key}" is no description of a loop`,
    wanted: "JSON with hasMask, hasPositions, room and vocabulary",
    found: p.found,
    fix: "compile the base model again",
  })),
  VERIFY_LOOP: error(() => ({
    what: "a graph that generates by itself gives tokens, and verify compares logits and caches",
    wanted: "a graph of one step",
    found: "one compiled with `decodeLoop`",
    fix: "verify the same compilation without `decodeLoop`: the loop holds that graph as it is; `tfc generate` shows that both write the same",
  })),
  LOOP_WITHOUT_LOGPROBS: error(() => ({
    what: "a graph that generates by itself gives no log-probabilities",
    wanted: "a request without `logprobs`",
    found: "a graph compiled with `decodeLoop`",
    fix: "leave out `logprobs`, or compile the base model without `decodeLoop`",
  })),
} as const;
