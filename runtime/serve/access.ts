/** What an answer was made of. */
export interface Work {
  /** Name of the model. */
  readonly model?: string;
  /** Tokens of the prompts. */
  readonly prompt?: number;
  /** Tokens of the answers. */
  readonly new?: number;
}

/** A request that has ended, for a log. */
export interface Access extends Work {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Address of the client. */
  readonly from: string;
  /** Status sent; 499 where the client went before its answer was complete. */
  readonly status: number;
  readonly milliseconds: number;
  /** What went wrong, where the client was told no more than that something did, or after its answer had begun. */
  readonly error?: unknown;
}
