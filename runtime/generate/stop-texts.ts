/** Text that has become certain. */
export interface Certain {
  readonly text: string;
  /** Whether a stop text follows it: there is no more. */
  readonly isStopped: boolean;
}

/**
 * Looks for texts that end an answer, however they are spread over pieces. What may be the beginning of one is held
 * back. The one that is complete first counts, of several that end at one place the longest: so it does not matter
 * where pieces end.
 */
export class StopTexts {
  readonly #stops: readonly string[];
  #held = "";

  /** @param stops none is empty */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  add(piece: string): Certain {
    const text = this.#held + piece;
    const start = this.#startOfFirst(text);
    const end = start ?? text.length - Math.max(0, ...this.#stops.map((stop) => begun(text, stop)));
    this.#held = start === null ? text.slice(end) : "";
    return { text: text.slice(0, end), isStopped: start !== null };
  }

  /** What is held back, when no more comes. */
  rest(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  #startOfFirst(text: string): number | null {
    let [first, firstEnd]: [number | null, number] = [null, Infinity];
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      const end = at + stop.length;
      if (at < 0 || end > firstEnd || (end === firstEnd && first !== null && at >= first)) continue;
      [first, firstEnd] = [at, end];
    }
    return first;
  }
}

/** How many characters of a stop text the end of a text has. */
function begun(text: string, stop: string): number {
  for (let length = Math.min(stop.length - 1, text.length); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length;
  return 0;
}
