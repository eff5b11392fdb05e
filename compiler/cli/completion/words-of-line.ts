/**
 * The words of a command line as far as it is typed, without the quotes around them. The last one is being typed, and
 * empty behind a space.
 */
export function wordsOfLine(line: string): readonly string[] {
  const words: string[] = [];
  let [word, quote, isBegun] = ["", "", false];
  for (let i = 0; i < line.length; i++) {
    const character = line[i] ?? "";
    if (character === quote) quote = "";
    else if (quote === "" && /["']/.test(character)) [quote, isBegun] = [character, true];
    else if (character === "\\" && quote !== "'" && i + 1 < line.length)
      [word, isBegun] = [word + (line[++i] ?? ""), true];
    else if (quote === "" && /\s/.test(character)) {
      if (isBegun) words.push(word);
      [word, isBegun] = ["", false];
    } else [word, isBegun] = [word + character, true];
  }
  return [...words, word];
}
