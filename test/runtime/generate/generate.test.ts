import { writeFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { pairCache } from "../../../runtime/session/cache.ts";
import type { Port } from "../../../runtime/session/tensor.ts";
import { loadTokenizer } from "../../../runtime/generate/tokenizer.ts";
import { temporary } from "../graphs.ts";
import { sample } from "../oracle.ts";

const cache = (name: string): Port => ({ name, dtype: "float", dims: ["batch", 2, "past", 4] });

describe("pairCache", () => {
  it.each([
    ["past_key_values.3.key", "present.3.key"],
    ["past_key_values.3.value", "present_key_values.3.value"],
    ["past_key_3", "present_key_3"],
    ["past_values_3", "present_values_3"],
    ["past_3", "present_3"],
    ["past.3.k", "present.3.k"],
    ["key_cache.3", "key_cache_out.3"],
  ])("pairs %s with %s", (past, present) => {
    const others = ["logits", "present.2.key", "present.2.value", "present_4"].filter(
      (name) => name !== present,
    );
    expect(pairCache([cache(past)], [...others, present].map(cache))).toEqual([
      { past: cache(past), present },
    ]);
  });

  it("finds no cache where there is none", () => {
    expect(pairCache([{ name: "input_ids", dtype: "int64", dims: [1, "s"] }], [cache("logits")])).toEqual([]);
  });

  it.each([
    [["present.1.key"], "none"],
    [["present.0.key", "present_key_0"], "present.0.key, present_key_0"],
  ])("refuses a cache input with the outputs %j", (outputs, found) => {
    expect(() => pairCache([cache("past_key_values.0.key")], outputs.map(cache))).toThrow(
      expect.objectContaining({
        code: "GENERATE_UNSUPPORTED",
        diagnostics: [expect.objectContaining({ found })],
      }),
    );
  });
});

describe("loadTokenizer", () => {
  const tokenizer = loadTokenizer(sample);

  it("encodes and decodes, with or without special tokens", () => {
    const ids = tokenizer.encode("She could not");
    expect(ids[0]).toBe(1);
    expect(tokenizer.encode("She could not", false)).toEqual(ids.slice(1));
    expect(tokenizer.decode(ids)).toBe("She could not");
    expect(tokenizer.decode(ids, true)).toBe("<|bos|>She could not");
    expect(tokenizer.decode([])).toBe("");
  });

  it("knows the ids that end a text", () => {
    expect(tokenizer.stops).toEqual([2]);
  });

  it("names a file that is missing, or no tokenizer", () => {
    expect(() => loadTokenizer(temporary("none"))).toThrow(
      expect.objectContaining({ code: "FILE_NOT_FOUND" }),
    );
    const file = temporary("tokenizer.json");
    writeFileSync(file, "{");
    expect(() => loadTokenizer(file)).toThrow(expect.objectContaining({ code: "TOKENIZER_INVALID" }));
    writeFileSync(file, '{"model":{"type":"Nope"}}');
    expect(() => loadTokenizer(file)).toThrow(expect.objectContaining({ code: "TOKENIZER_INVALID" }));
  });
});
