import { error, warning } from "./row.ts";

/** Messages about training: its data, its steps and its checkpoints. */
export const trainerCodes = {
  // ---- training data
  TRAIN_DATA_FILE: error((p: { wanted: string; found: string }) => ({
    what: "this is no file of training data that tfc reads",
    wanted: p.wanted,
    found: p.found,
    fix: "convert the data, or give another file",
  })),
  TRAIN_DATA_LINE: error((p: { wanted: string; found: string; unit: string }) => ({
    what: `a ${p.unit} of the training data is no example`,
    wanted: p.wanted,
    found: p.found,
    fix: `correct the ${p.unit}, or take it out`,
  })),
  TRAIN_DATA_EMPTY: error(() => ({
    what: "there is nothing to train on in this file",
    wanted: "one example or more",
    found: "none",
    fix: "give another file; in a .csv file the first line is names of columns",
  })),
  TRAIN_TOKEN_RANGE: error((p: { vocabulary: number; id: number }) => ({
    what: "the training data have a token that the model does not know",
    wanted: `token ids from 0 to ${p.vocabulary - 1}`,
    found: String(p.id),
    fix: "give the model's own tokenizer by `tokenizer`",
  })),
  TRAIN_LENGTH: error((p: { length: number; context: number }) => ({
    what: "the sequences would be longer than the model's context",
    wanted: `a \`length\` of ${p.context} at most`,
    found: String(p.length),
    fix: "give a smaller `length`",
  })),
  TRAIN_NOTHING_LEARNED: error((p: { examples: number; length: number }) => ({
    what: "no example has an answer among its first tokens: no label would count in any batch",
    wanted: `a token to be learned among the first ${p.length}`,
    found: `none in ${p.examples} examples`,
    fix: "give a larger `length`, or shorter prompts",
  })),
  TRAIN_EXAMPLES_CUT: warning((p: { cut: number; of: number; length: number }) => ({
    what: `${p.cut} of ${p.of} examples are longer than ${p.length} tokens, and are cut; the first one stands here`,
    fix: "give a larger `length` to train on all of them",
  })),
  TRAIN_EXAMPLES_LEFT_OUT: warning((p: { out: number; of: number; length: number }) => ({
    what: `${p.out} of ${p.of} examples are left out: nothing is to be learned of their first ${p.length} tokens; the first one stands here`,
    fix: "give a larger `length`, or shorter prompts",
  })),
} as const;
