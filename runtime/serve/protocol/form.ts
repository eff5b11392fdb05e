import type { Piece, Result } from "../../model/types.ts";

/** How an endpoint writes answers: the choices of its objects. One is made for each request. */
export interface Form {
  /** Prefix of ids. */
  readonly prefix: string;
  /** Kind of a whole answer, and of a part of a stream. */
  readonly object: string;
  readonly chunk: string;
  /** A finished answer. */
  whole(index: number, result: Result): object;
  /** What a stream begins an answer with; null for nothing. */
  opening(index: number): object | null;
  /** Null where a piece has nothing to show yet. */
  piece(index: number, piece: Piece): object | null;
  ending(index: number, result: Result): object;
}

/** Why an answer ended, in OpenAI's words. */
export function finishReason({ stop }: Result): "stop" | "length" {
  return stop === "length" ? "length" : "stop";
}
