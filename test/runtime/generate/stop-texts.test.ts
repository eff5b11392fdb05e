import { describe, expect, it } from "@jest/globals";
import { StopTexts } from "../../../runtime/generate/stop-texts.ts";
import { Prng } from "../../support/prng.ts";

/** What comes of pieces: the texts given out, and whether a stop text came. */
function given(stops: readonly string[], pieces: readonly string[]): { texts: string[]; isStopped: boolean } {
  const finder = new StopTexts(stops);
  const texts: string[] = [];
  for (const piece of pieces) {
    const { text, isStopped } = finder.add(piece);
    texts.push(text);
    if (isStopped) return { texts, isStopped };
  }
  return { texts: [...texts, finder.rest()], isStopped: false };
}

describe("stop texts", () => {
  it("hold back what may be the beginning of one, and give it out when it is none", () => {
    expect(given(["END"], ["a E", "N", "Q E"])).toEqual({ texts: ["a ", "", "ENQ ", "E"], isStopped: false });
  });

  it("are found across pieces, and within one", () => {
    expect(given(["END"], ["so E", "N", "D so"])).toEqual({ texts: ["so ", "", ""], isStopped: true });
    expect(given(["END"], ["so END so"])).toEqual({ texts: ["so "], isStopped: true });
    expect(given(["END"], ["END"])).toEqual({ texts: [""], isStopped: true });
  });

  it("that overlap with themselves are found", () => {
    expect(given(["aab"], ["a", "a", "a", "b"]).texts.join("")).toBe("a");
    expect(given(["\n\n"], ["x\n", "y\n", "\n"])).toEqual({ texts: ["x", "\ny", ""], isStopped: true });
  });

  it("of several the one that is complete first counts, the longest of those", () => {
    expect(given(["def", "bc"], ["abcdef"]).texts).toEqual(["a"]);
    expect(given(["abc", "b"], ["abc"]).texts).toEqual(["a"]);
    expect(given(["c", "bc"], ["abc"]).texts).toEqual(["a"]);
  });

  it("give the same text wherever pieces end", () => {
    const numbers = new Prng(9);
    for (let run = 0; run < 300; run++) {
      const letters = (length: number): string =>
        Array.from({ length }, () => numbers.of(["a", "b", "c"])).join("");
      const stops = [letters(1 + numbers.below(4)), letters(2 + numbers.below(4))];
      const text = letters(12);
      const pieces: string[] = [];
      for (let at = 0; at < text.length;) {
        const length = 1 + numbers.below(4);
        pieces.push(text.slice(at, at + length));
        at += length;
      }
      const whole = given(stops, [text]);
      const apart = given(stops, pieces);
      expect([apart.texts.join(""), apart.isStopped]).toEqual([whole.texts.join(""), whole.isStopped]);
      expect(stops.some((stop) => whole.texts.join("").includes(stop))).toBe(false);
    }
  });
});
