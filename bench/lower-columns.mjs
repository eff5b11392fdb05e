/**
 * What is measured of each model: a step of so many rows and new tokens behind a past.
 *
 * @typedef {object} Column
 * @property {string} name
 * @property {number} rows
 * @property {number} past
 * @property {number} tokens
 * @property {number} rounds
 */

const decode = (past, rounds, rows = 1) => ({
  name:
    rows === 1
      ? `decode, past ${past.toLocaleString("en")}`
      : `batch ${rows}, past ${past.toLocaleString("en")}`,
  rows,
  past,
  tokens: 1,
  rounds,
});

const prefill = (rounds, tokens = 512) => ({ name: `prefill ${tokens}`, rows: 1, past: 0, tokens, rounds });

/** @type {readonly Column[]} of the large model */
export const LARGE = [decode(128, 24), decode(1024, 16), decode(4096, 10), decode(1024, 8, 4), prefill(3)];

/** @type {readonly Column[]} of the small one, whose steps take a millisecond */
export const SMALL = [decode(128, 2000), decode(1024, 800), prefill(40)];

/** @type {readonly Column[]} of the mixture of experts; of a longer prompt its export copies more than there is memory for */
export const MIXTURE = [decode(128, 40), decode(1024, 20), prefill(3, 128)];

/** Rounds multiplied by a factor, three at least. */
export function scaled(columns, factor) {
  return columns.map((column) => ({ ...column, rounds: Math.max(3, Math.round(column.rounds * factor)) }));
}

/** Positions that a shared cache must have for all columns. */
export function lengthOf(columns) {
  const most = Math.max(...columns.map(({ past, tokens }) => past + tokens));
  return Math.ceil(most / 128) * 128;
}
