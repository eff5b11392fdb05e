/*
 * Token ids that carry whether they are learned: one that is has a label, of one that is not the complement stands in
 * its place. Ids are 0 or more, so that the sign tells.
 */

/** Ids, those at `isLearned` to be learned. */
export function marked(ids: readonly number[], isLearned: (index: number) => boolean): Int32Array {
  return Int32Array.from(ids, (id, i) => (isLearned(i) ? id : ~id));
}

/** The token id itself. */
export function idOf(token: number): number {
  return token < 0 ? ~token : token;
}

/** Whether a token has a label. */
export function isLearned(token: number): boolean {
  return token >= 0;
}
