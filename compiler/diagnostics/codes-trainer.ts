import { error, note, warning } from "./row.ts";

/** Messages about training: its data, its steps and its checkpoints. */
export const trainerCodes = {
  // ---- training data
  TRAIN_DATA_FILE: error((p: { wanted: string; found: string }) => ({
    what: "this is no file of training data that tfc reads",
    wanted: p.wanted,
    found: p.found,
    fix: "convert the data, or give another file",
  })),
  TRAIN_DATA_LINE: error((p: { wanted: string; found: string; unit: string; fix?: string }) => ({
    what: `a ${p.unit} of the training data is no example`,
    wanted: p.wanted,
    found: p.found,
    fix: p.fix ?? `correct the ${p.unit}, or take it out`,
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
    fix: "to train on all of them, give a larger `length`, or `packing: pack`, which cuts none off",
  })),
  TRAIN_EXAMPLES_LEFT_OUT: warning((p: { out: number; of: number; length: number }) => ({
    what: `${p.out} of ${p.of} examples are left out: nothing is to be learned of their first ${p.length} tokens; the first one stands here`,
    fix: "give a larger `length`, `packing: pack`, which cuts none off, or shorter prompts",
  })),
  TRAIN_ANSWERS_EMPTY: warning((p: { empty: number }) => ({
    what: `${p.empty === 1 ? "a conversation has" : `${p.empty} conversations have`} an answer without text, of which only its end is learned: to say nothing; the first one stands here`,
    fix: "if that is not meant, take such conversations out of the data",
  })),
  TRAIN_NONE_HELD_BACK: note((p: { share: number; of: number }) => ({
    what: `no example is held back to evaluate on: ${p.share} of ${p.of} is less than half of one`,
    fix: "to have evaluations, give a larger `evalSplit`, or more data",
  })),
  // ---- runs
  TRAIN_GRAPH: error((p: { wanted: string; found: string }) => ({
    what: "the graph cannot be trained so",
    wanted: p.wanted,
    found: p.found,
    fix: "compile the base with --train, or give the base itself; for several batches an update with --accumulate",
  })),
  TRAIN_VALUE_MISSING: error(() => ({
    what: "nothing says what the parameter begins with",
    wanted: "a tensor of its name in a safetensors file beside the graph",
    found: "none",
    fix: "put the files there that were written with the graph, or compile it again",
  })),
  TRAIN_VALUE_SHAPE: error((p: { wanted: string; found: string }) => ({
    what: "the parameter's first value has another shape",
    wanted: `[${p.wanted}]`,
    found: `[${p.found}]`,
    fix: "put the file there that was written with the graph, or compile it again",
  })),
  TRAIN_OUT_MODEL: error((p: { folder: string }) => ({
    what: "the run's files would lie among those of the model",
    wanted: "a folder for the run alone",
    found: p.folder,
    fix: "give another `out`, for instance a folder in this one",
  })),
  TRAIN_OUT_USED: error((p: { found: string }) => ({
    what: "there is a run in this folder already",
    wanted: "a folder without one",
    found: p.found,
    fix: "give `resume` to go on with it, or another `out`",
  })),
  TRAIN_OUT_BUSY: error((p: { pid: number }) => ({
    what: "another process trains into this folder",
    wanted: "a folder that no run writes into",
    found: `process ${p.pid}`,
    fix: "wait until it has ended, or give another `out`",
  })),
  TRAIN_RESUME_NOTHING: error(() => ({
    what: "there is no run in this folder that could go on",
    wanted: "the `out` of a run",
    found: "nothing that a run leaves",
    fix: "correct `out`, or leave out `resume`",
  })),
  TRAIN_RESUME_FIRST: note(() => ({
    what: "the run has no checkpoint yet: it begins again at the first step",
  })),
  TRAIN_SETTINGS: error((p: { wanted: string; found: string }) => ({
    what: "the run was begun with other settings",
    wanted: p.wanted,
    found: p.found,
    fix: "give the same again; to train on in another way, longer for instance, begin a run in another `out` with this one's adapter as `load` and its folder as `state`",
  })),
  TRAIN_CHECKPOINT_INVALID: error(
    (p: { found: string; whole?: { readonly folder: string; readonly of: number } }) => ({
      what:
        p.whole === undefined
          ? "this is no checkpoint of the run"
          : `none of the run's checkpoints is whole (there are ${p.whole.of}): it cannot go on`,
      wanted: "parameters, their moments and where the run was",
      found: p.found,
      fix:
        p.whole === undefined
          ? "remove the file to take the checkpoint before it"
          : `remove ${p.whole.folder}: with \`resume\` the run then begins again at the first step`,
    }),
  ),
  TRAIN_CHECKPOINT_DAMAGED: warning((p: { found: string; step: number }) => ({
    what: `a checkpoint is damaged: the one before it is taken, of step ${p.step}`,
    wanted: "the file as it was written",
    found: p.found,
  })),
  TRAIN_STATE: error((p: { found: string }) => ({
    what: "AdamW's state is not that of the adapter, nor of a smaller one that it was grown from",
    wanted: "moments of each parameter, of its shape or with fewer tokens or a lower rank",
    found: p.found,
    fix: "give the run that trained the adapter, or leave out `state` to begin without one",
  })),
  TRAIN_BATCH_UNLEARNED: warning((p: { step: number; places: string }) => ({
    what: `nothing is to be learned of the batch of step ${p.step} (${p.places}): such steps are passed over`,
    fix: "give a larger `batch` or `length`, or fill examples up in place of packing them",
  })),
  TRAIN_NOT_FINITE: error(
    (p: { step: number; what: string; found: string; places: string; saved: string | null }) => ({
      what: `the ${p.what} of step ${p.step} is ${p.found}: training ends here`,
      wanted: "a finite number",
      found: `${p.found}, of ${p.places}`,
      fix: `give a smaller \`learningRate\` or \`clip\`, or look at these examples; ${keptText(p.saved)}${p.saved === null ? "" : ": train the base with it as `load` and as `state` into another `out`"}`,
    }),
  ),
  TRAIN_NOT_SAVED: error((p: { step: number; found: string; saved: string | null }) => ({
    what: `step ${p.step} cannot be kept: training ends here`,
    wanted: "a file that can be written, and room for it",
    found: p.found,
    fix: `make room, then go on with \`resume\`; ${keptText(p.saved)}`,
  })),
} as const;

function keptText(saved: string | null): string {
  return saved === null ? "there was no checkpoint yet" : `the last checkpoint is ${saved}`;
}
