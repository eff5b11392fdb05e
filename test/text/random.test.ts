import { describe, expect, it } from "@jest/globals";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";
import { RandomModels } from "./random.ts";
import { expectSame } from "./same.ts";

const MODELS = 150;

describe("random models", () => {
  it("are the same when printed and read again", () => {
    for (let seed = 1; seed <= MODELS; seed++) {
      const model = new RandomModels(seed).model();
      for (const portable of [false, true]) {
        const text = printModel(model, { portable });
        try {
          const back = parseModel(text);
          expect(printModel(back, { portable })).toBe(text);
          expectSame(model, back);
        } catch (cause) {
          throw new Error(`seed ${seed}:\n${text}`, { cause });
        }
      }
    }
  });
});
