import type { Seen } from "../../compiler/recognize/decoder.ts";
import { isMiss, placeText } from "../../compiler/recognize/miss.ts";

/** The reasons for which blocks were not understood, the first few in full. */
export function missText(seen: readonly Seen[]): string {
  const misses = seen.flatMap(({ answer }) => (isMiss(answer) ? [answer] : []));
  const texts = misses
    .slice(0, 3)
    .map((m) => `${m.code} at ${placeText(m.at)}: wanted ${m.want}, found ${m.got}`);
  const more = misses.length > texts.length ? `; and ${misses.length - texts.length} more` : "";
  return texts.join("; ") + more;
}
