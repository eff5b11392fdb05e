import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { AnswerText } from "../../../runtime/generate/answer-text.ts";
import { Pieces } from "../../../runtime/generate/pieces.ts";
import { loadTokenizer, type Tokenizer } from "../../../runtime/generate/tokenizer.ts";
import type { Piece } from "../../../runtime/model/types.ts";
import { Prng } from "../../support/prng.ts";

const sample = loadTokenizer(path.resolve(import.meta.dirname, "../../../samples/models/austen-llama"));

/** Each id is a byte. */
const bytes: Tokenizer = {
  encode: (text) => [...Buffer.from(text)],
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids)),
  stops: [],
};

/** Each id is a word with a space in front, which the first word of a text loses, as sentencepiece has it. */
const words: Tokenizer = {
  encode: () => [],
  decode: (ids) =>
    ids
      .map((id) => (id === 0 ? "" : ` w${id}`))
      .join("")
      .replace(/^ /, ""),
  stops: [],
};

function answer(tokenizer: Tokenizer | null, ids: readonly number[], stop: readonly string[] = []): Piece[] {
  const text = new AnswerText({ tokenizer, stop });
  const pieces: (Piece | null)[] = [];
  for (const id of ids) {
    pieces.push(text.add(id));
    if (text.isStopped) break;
  }
  return [...pieces, text.end()].flatMap((piece) => piece ?? []);
}

const textOf = (pieces: readonly Piece[]): string => pieces.map(({ text }) => text).join("");
const idsOf = (pieces: readonly Piece[]): number[] => pieces.flatMap(({ ids }) => ids);

describe("pieces", () => {
  it("are whole characters, and what is none when nothing more comes", () => {
    const ids = bytes.encode("a€bé😀");
    const found = answer(bytes, [...ids, 0xc3]);
    expect(found.map(({ text }) => text)).toEqual(["a", "€", "b", "é", "😀", "\uFFFD"]);
    expect(found.map(({ ids: own }) => own.length)).toEqual([1, 3, 1, 2, 4, 1]);
  });

  it("are given out when bytes will never be characters", () => {
    const pieces = new Pieces(bytes);
    const texts = Array.from({ length: 100 }, () => pieces.add(0xff));
    expect(texts.filter((text) => text !== "").length).toBeGreaterThan(10);
    expect(texts.join("") + pieces.rest()).toBe("\uFFFD".repeat(100));
  });

  it("together are what the ids decode to", () => {
    const numbers = new Prng(4);
    for (let run = 0; run < 20; run++) {
      const ids = Array.from({ length: 60 }, () => numbers.below(2048));
      const found = answer(sample, ids);
      expect(textOf(found)).toBe(sample.decode(ids));
      expect(idsOf(found)).toEqual(ids);
    }
  });

  it("continue the text before them, where there is one", () => {
    expect([3, 4].map((id) => new Pieces(words).add(id))).toEqual(["w3", "w4"]);
    const pieces = new Pieces(words, [1, 2]);
    expect([3, 4].map((id) => pieces.add(id))).toEqual([" w3", " w4"]);
    // Nothing but special tokens in front.
    expect(new Pieces(words, [0]).add(3)).toBe("w3");
  });
});

describe("an answer", () => {
  it("has the tokens that its text is made of", () => {
    const found = answer(bytes, bytes.encode("one STOP two"), [" STOP"]);
    expect(textOf(found)).toBe("one");
    expect(idsOf(found)).toEqual(bytes.encode("one"));
  });

  it("keeps the token that a stop text cuts", () => {
    expect(answer(words, [1, 22, 3], ["22"])).toEqual([
      { text: "w1", ids: [1] },
      { text: " w", ids: [22] },
    ]);
    expect(answer(words, [1, 22, 3], [" w22"])).toEqual([{ text: "w1", ids: [1] }]);
  });

  it("gives a token out with the last of its text", () => {
    // " w2" ends with what may begin a stop text.
    expect(answer(words, [1, 2, 3], ["2 x"])).toEqual([
      { text: "w1", ids: [1] },
      { text: " w", ids: [] },
      { text: "2 w3", ids: [2, 3] },
    ]);
  });

  it("has tokens without text, too", () => {
    expect(answer(words, [0, 1, 0], ["x"])).toEqual([
      { text: "w1", ids: [0, 1] },
      { text: "", ids: [0] },
    ]);
    expect(answer(words, [])).toEqual([]);
  });

  it("has tokens alone without a tokenizer", () => {
    expect(answer(null, [5, 6])).toEqual([
      { text: "", ids: [5] },
      { text: "", ids: [6] },
    ]);
  });

  it("has log-probabilities of each token where they come along", () => {
    const text = new AnswerText({ tokenizer: words });
    const logprobs = { logprob: -1, top: [{ id: 4, logprob: -0.5 }] };
    expect(text.add(3, logprobs)).toEqual({
      text: "w3",
      ids: [3],
      logprobs: [{ id: 3, text: "w3", logprob: -1, top: [{ id: 4, text: "w4", logprob: -0.5 }] }],
    });
  });
});
