import { decoded, newlines } from "./decode.ts";
import type { TextPiece } from "./row.ts";

/** Characters after which a text is cut, at the end of a paragraph or a line. */
const PIECE = 1 << 14;
/** Characters after which it is cut anywhere: a text without line ends must not fill the memory. */
const LONGEST = 1 << 20;

/**
 * A text, piece by piece. Ends of paragraphs are where tokenizers cut anyway: few of them would make other tokens of the
 * whole.
 */
export async function* textPieces(file: string, onBytes: (bytes: number) => void): AsyncGenerator<TextPiece> {
  let [line, rest] = [1, ""];
  for await (const { text, bytes } of decoded(file)) {
    onBytes(bytes);
    rest += text;
    for (let cut = cutOf(rest); cut > 0; cut = cutOf(rest)) {
      const piece = rest.slice(0, cut);
      yield { line, text: piece };
      line += newlines(piece);
      rest = rest.slice(cut);
    }
  }
  if (rest !== "") yield { line, text: rest };
}

/** Where to cut; 0 where more is to be read before. */
function cutOf(text: string): number {
  if (text.length < 2 * PIECE) return 0;
  const paragraph = text.indexOf("\n\n", PIECE);
  const end = paragraph >= 0 ? paragraph : text.indexOf("\n", PIECE);
  // What follows may be more empty lines, which belong to those before.
  const cut = end < 0 ? text.length : endOfNewlines(text, end);
  if (cut < text.length) return cut;
  return text.length < LONGEST ? 0 : betweenCharacters(text, LONGEST);
}

function endOfNewlines(text: string, at: number): number {
  let end = at;
  while (text[end] === "\n") end++;
  return end;
}

/** Not between the two halves of a character. */
function betweenCharacters(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code < 0xe000 ? at - 1 : at;
}
