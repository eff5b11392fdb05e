import { jsonText } from "./output.ts";
import { untilInterrupted } from "./interrupt.ts";
import { isReaderGone, print } from "./streams.ts";
import type { GenerateRequest, Model, Result } from "../../runtime/model/types.ts";

/** An answer as far as it came. */
export interface Given {
  readonly text: string;
  /** null where Ctrl-C ended it, or nobody reads it any more. */
  readonly result: Result | null;
}

/**
 * Prints an answer: its text as it comes and a line's end, or one line of JSON with the whole of it. Ctrl-C ends it.
 *
 * @throws TfcError as the model's `generate`
 */
export async function printAnswer(model: Model, request: GenerateRequest, json: boolean): Promise<Given> {
  let text = "";
  const result = await untilInterrupted(async (signal) => {
    const answer = model.generate({ ...request, signal });
    if (json) return answer.result();
    for await (const piece of answer) {
      text += piece;
      print(piece);
      if (isReaderGone()) return null;
    }
    return answer.result();
  });
  if (json && result !== null) print(`${jsonText(result)}\n`);
  // Also behind the first half of an answer.
  if (!json) print("\n");
  return { text: result?.text ?? text, result };
}
