import { writeFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { pairCache } from "../../../runtime/session/cache.ts";
import { Decoder } from "../../../runtime/generate/decoder.ts";
import { generate, generateText } from "../../../runtime/generate/generate.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { tensorFrom, type Port } from "../../../runtime/session/tensor.ts";
import { loadTokenizer, type Tokenizer } from "../../../runtime/generate/tokenizer.ts";
import { collect } from "../collect.ts";
import { FLOAT, graphFile, INT64, temporary } from "../graphs.ts";
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

describe("Decoder", () => {
  it("feeds a graph without a cache all tokens again", async () => {
    const session = await openSession(successor("plain.onnx", ["batch", "sequence"]));
    expect(await collect(generate(session, [0, 3], { maxNewTokens: 4 }))).toEqual([4, 5, 6, 7]);
    await session.close();
  });

  it("feeds a graph of one token at a time a token at a time", async () => {
    const session = await openSession(successor("single.onnx", [1, 1]));
    const decoder = new Decoder(session);
    const logits = await decoder.feed([2]);
    expect(logits).toEqual(Float64Array.from({ length: 8 }, (_, i) => (i === 3 ? 1 : 0)));
    await session.close();
  });

  it("passes values of other inputs through, and refuses the graph without them", async () => {
    const session = await openSession(successor("scaled.onnx", ["batch", "sequence"], true));
    expect(() => new Decoder(session)).toThrow(
      expect.objectContaining({
        code: "GENERATE_UNSUPPORTED",
        message: expect.stringContaining('the input "scale"'),
      }),
    );
    const inputs = new Map([["scale", tensorFrom("float", [1], () => 1)]]);
    expect(await collect(generate(session, [0], { maxNewTokens: 2, inputs }))).toEqual([1, 2]);
    await session.close();
  });

  it("refuses a graph without logits, and a cache of fixed size", () => {
    const session = (inputs: Port[], outputs: Port[]): Session => ({
      file: "m.onnx",
      provider: "cpu",
      inputs,
      outputs,
      run: () => Promise.resolve(new Map()),
      close: () => Promise.resolve(),
    });
    const ids: Port = { name: "input_ids", dtype: "int64", dims: [1, 1] };
    const hidden: Port = { name: "last_hidden_state", dtype: "float", dims: [1, 1, 8] };
    const pooled: Port = { name: "pooled", dtype: "float", dims: [1, 8] };
    expect(() => new Decoder(session([ids], [hidden, pooled]))).toThrow("it has no logits");
    const fixed: Port = { name: "past_key_values.0.key", dtype: "float", dims: [1, 2, 31, 4] };
    const present: Port = { ...fixed, name: "present.0.key" };
    expect(() => new Decoder(session([ids, fixed], [{ ...hidden, name: "logits" }, present]))).toThrow(
      "its cache has a fixed size",
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

describe("generateText", () => {
  it("holds back a character until all its bytes are there", async () => {
    const session = await openSession(successor("pieces.onnx", ["batch", "sequence"]));
    const bytes = [0x61, 0xe2, 0x82, 0xac, 0x62, 0xc3, 0xa9, 0xc3];
    const byByte: Tokenizer = {
      encode: () => [0],
      decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids, (id) => bytes[id] ?? 0)),
      stops: [],
    };
    const pieces = await collect(generateText(session, byByte, "a", { maxNewTokens: 7 }));
    expect(pieces).toEqual(["€", "b", "é", "\uFFFD"]);
    await session.close();
  });
});

/** A vocabulary of 8 in which each token is followed by the next: logits are the one-hot code of id + 1. */
function successor(name: string, dims: (number | string)[], hasScale = false): string {
  return graphFile(name, {
    inputs: { input_ids: [INT64, dims], ...(hasScale ? { scale: [FLOAT, [1]] } : {}) },
    outputs: { logits: [FLOAT, [...dims, 8]] },
    constants: { one: [1], depth: [8], range: [0, 1] },
    nodes: [
      { op: "Add", in: ["input_ids", "one"], out: ["next"] },
      { op: "Cast", in: ["range"], out: ["values"], ints: { to: FLOAT } },
      { op: "OneHot", in: ["next", "depth", "values"], out: [hasScale ? "hot" : "logits"] },
      ...(hasScale ? [{ op: "Mul", in: ["hot", "scale"], out: ["logits"] }] : []),
    ],
  });
}
