import type { GenerateRequest } from "../../model/types.ts";

/** A request that was understood, whichever endpoint it came to. */
export interface Ask {
  /** The model's name: the base's or an adapter's. */
  readonly model: string;
  /** One for each answer, in the order of choices. */
  readonly answers: readonly Answer[];
  /** How many answers each prompt has: the answers of the first prompt come first. */
  readonly n: number;
  readonly stream: boolean;
  /** Whether a stream ends with the number of tokens. */
  readonly usage: boolean;
  /** What the text of each answer begins with: its prompt, where `echo` asks for that. */
  readonly echo: boolean;
}

/** What one answer is made of. */
export type Answer = Omit<GenerateRequest, "adapter" | "signal">;
