import { inputError } from "../diagnostics/error.ts";

/** The key of a model's metadata that says that its graph is a loop of decoder steps, as {@link DecodeLoop} has it. */
export const LOOP_KEY = "tfc.decode_loop";

/** Inputs of a loop. B rows; a setting is a vector of one number for all rows, or of one for each. */
export const loopInputs = {
  /** int64 `[B, S]`: prompts, the shorter ones padded on the left */
  ids: "input_ids",
  /** int64 `[B, S]`: 0 where a prompt is padded; graphs without a mask have none */
  mask: "attention_mask",
  /** int64 */
  maxNewTokens: "max_new_tokens",
  /** float: 0 takes the likeliest */
  temperature: "temperature",
  /** int64: 0 for all */
  topK: "top_k",
  /** float: 1 for all */
  topP: "top_p",
  /** int64; where one is given for all rows, each row adds its number to it */
  seed: "seed",
  /** int64 `[stops]`: of all rows */
  stopIds: "stop_ids",
  /** float, 0 where it is not fed */
  minP: "min_p",
  /** float, 1 where it is not fed */
  repetitionPenalty: "repetition_penalty",
} as const;

/** Outputs of a loop. */
export const loopOutputs = {
  /** int64 `[B, new]`; behind the token that ended a row its last token stands again. -1 ends one whose logits are NaN */
  tokens: "tokens",
  /** int64 `[B]`: new tokens of each row, without the stop id that ended it */
  lengths: "lengths",
} as const;

/** What a graph says of its loop. */
export interface DecodeLoop {
  /** Whether it takes a mask, which hides the padding of rows. */
  readonly hasMask: boolean;
  /** Whether a step is given positions, which do not count padding. */
  readonly hasPositions: boolean;
  /** Tokens that prompt and answer may have together, where caches are buffers; null where they grow. */
  readonly room: number | null;
  /** Logits of a token; null where the decoder does not say it. */
  readonly vocabulary: number | null;
}

/** What a graph says of its loop; null for one that is none. @throws TfcError LOOP_METADATA_INVALID */
export function decodeLoopIn(meta: ReadonlyMap<string, string>, file: string): DecodeLoop | null {
  const text = meta.get(LOOP_KEY);
  if (text === undefined) return null;
  const { hasMask, hasPositions, room, vocabulary } = parsed(text);
  if (
    typeof hasMask === "boolean" &&
    typeof hasPositions === "boolean" &&
    isCount(room) &&
    isCount(vocabulary)
  )
    return { hasMask, hasPositions, room, vocabulary };
  throw inputError("LOOP_METADATA_INVALID", { file }, { key: LOOP_KEY, found: text.slice(0, 80) });
}

function isCount(value: unknown): value is number | null {
  return value === null || (typeof value === "number" && Number.isSafeInteger(value) && value > 0);
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
