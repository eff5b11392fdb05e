/** How many cells a text takes: two for a character of East Asian scripts and for an emoji. */
export function cellsOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += cellsOfOne(character);
  return cells;
}

function cellsOfOne(character: string): number {
  if (/\p{Mark}/u.test(character)) return 0;
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u.test(
    character,
  )
    ? 2
    : 1;
}

/** A text in so many cells, its end cut off. */
export function cut(text: string, cells: number): string {
  let [kept, used] = ["", 0];
  for (const character of printable(text)) {
    used += cellsOfOne(character);
    if (used > cells) break;
    kept += character;
  }
  return kept;
}

/** A text in so many cells, its middle left out: the end of a file's name tells as much as its beginning. */
export function shortened(text: string, cells: number): string {
  const characters = Array.from(printable(text));
  if (cellsOf(text) <= cells) return characters.join("");
  let [start, end, used] = ["", "", 1];
  for (let [i, j] = [0, characters.length - 1]; i <= j;) {
    const isEnd = cellsOf(end) <= cellsOf(start);
    const next = characters[isEnd ? j-- : i++] ?? "";
    used += cellsOfOne(next);
    if (used > cells) break;
    if (isEnd) end = next + end;
    else start += next;
  }
  return `${start}…${end}`;
}

/** Without what would move the cursor. */
function printable(text: string): string {
  return text.replace(/\p{Control}/gu, "?");
}
