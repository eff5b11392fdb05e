import { inputError } from "../diagnostics/error.ts";
import type { Place } from "../diagnostics/diagnostic.ts";

/** The end of reading a file whose messages, graphs or types lie in one another deeper than any reader follows. */
export class TooDeep extends RangeError {
  /** What is allowed: `100 messages`. */
  readonly limit: string;

  constructor(limit: string) {
    super(`more than ${limit} inside one another`);
    this.limit = limit;
  }
}

/** Runs what reads. @throws TfcError MODEL_NESTED_TOO_DEEP, and whatever it throws */
export function withinDepth<T>(place: Place, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw cause instanceof TooDeep ? tooDeep(cause, place) : cause;
  }
}

/** What is said of a file that is nested too deep. */
export function tooDeep({ limit, message }: TooDeep, place: Place): Error {
  return inputError("MODEL_NESTED_TOO_DEEP", place, { limit, found: message });
}
