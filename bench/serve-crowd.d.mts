/** What came of a client. */
export interface Visited {
  readonly kind: "whole" | "stream" | "slow" | "leaves" | "broken";
  /** Which of the asks was its own. */
  readonly ask: number;
  readonly wanted: number;
  readonly status: number;
  /** The text that it got, all of it unless the client left. */
  readonly text: string | undefined;
  /** Of a stream: whether its end came. */
  readonly isWhole?: boolean;
}

export function crowd(
  url: string,
  asks: readonly object[],
  count: number,
  seed?: number,
): Promise<readonly Visited[]>;
