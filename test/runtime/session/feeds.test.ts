import { describe, expect, it } from "@jest/globals";
import { defaultCases, fitCases } from "../../../runtime/verify/cases.ts";
import { resolveDims } from "../../../runtime/session/dims.ts";
import { makeFeeds, vocabularyOf } from "../../../runtime/session/feeds.ts";
import { random } from "../../../runtime/session/random.ts";
import { roleOf } from "../../../runtime/session/roles.ts";
import type { ElementType, Port } from "../../../runtime/session/tensor.ts";

function port(name: string, dtype: ElementType | null, ...dims: (number | string)[]): Port {
  return { name, dtype, dims };
}

const sizes = { batch: 2, sequence: 5, past: 7 };
const logits = port("logits", "float", "batch", "sequence", 100);
const decoder = [
  port("input_ids", "int64", "batch_size", "sequence_length"),
  port("attention_mask", "int64", "batch_size", "past_sequence_length + sequence_length"),
  port("position_ids", "int64", "batch_size", "sequence_length"),
  port("past_key_values.0.key", "float", "batch_size", 2, "past_sequence_length", 4),
];

describe("roles", () => {
  it.each([
    [port("input_ids", "int64", "b", "s"), "tokens"],
    [port("model.input_ids", "int32", "s"), "tokens"],
    [port("attention_mask", "int64", "b", "t"), "mask"],
    [port("positions", "int64", "num_tokens"), "positions"],
    [port("cache_position", "int64", "s"), "positions"],
    [port("input.1", "int64", 2, 8), "tokens"],
    [port("input", "float", 2, 8), "other"],
    [port("past_key_values.11.value", "float16", "b", 8, "p", 64), "past"],
    [port("past_key_3", "float", "b", 8, "p", 64), "past"],
    [port("total_sequence_length", "int32"), "total"],
    [port("past_sequence_length", "int32", 1), "pastLength"],
    [port("seqlens_k", "int32", "b"), "lastIndex"],
    [port("cumulative_sequence_length", "int32", "b + 1"), "rowStarts"],
    [port("use_cache_branch", "bool", 1), "usesCache"],
    [port("temperature", "float"), "other"],
  ])("of %j is %s", (input, role) => {
    expect(roleOf(input)).toBe(role);
  });
});

describe("dims", () => {
  it.each([
    [port("x", "float", "batch", "seq", 8), [2, 5, 8]],
    [port("x", "float", "B", "S"), [2, 5]],
    [port("x", "float", "past_len", "total_sequence_length"), [7, 12]],
    [port("x", "float", "past_sequence_length + 1", "past + sequence"), [8, 12]],
    [port("x", "float", "anything"), [5]],
    [port("attention_mask", "int64", "s0", "s77"), [2, 12]],
    [port("attention_mask", "int64", "batch_size", "sequence_length"), [2, 12]],
    [port("attention_mask", "float", "b", 1, "sequence_length", "past + sequence"), [2, 1, 5, 12]],
    [port("input_ids", "int64", "", ""), [2, 5]],
    [port("past_key_values.0.key", "float", "s0", 2, "s1", 64), [2, 2, 7, 64]],
    [port("past_0", "float", 2, "s0", 4, "s1", 64), [2, 2, 4, 7, 64]],
    [port("positions", "int64", "num_tokens"), [5]],
    [port("scalar", "float"), []],
  ])("of %j are %j", (input, dims) => {
    expect(resolveDims(input, sizes)).toEqual(dims);
  });
});

describe("makeFeeds", () => {
  it("makes up a decoder's inputs", () => {
    const feeds = makeFeeds({ inputs: decoder, outputs: [logits] }, sizes);
    const ids = [...(feeds.get("input_ids")?.data ?? [])].map(Number);
    expect(ids).toHaveLength(10);
    expect(ids.every((id) => id >= 0 && id < 100)).toBe(true);
    expect(new Set(ids).size).toBeGreaterThan(5);
    expect(feeds.get("attention_mask")).toEqual({
      dtype: "int64",
      dims: [2, 12],
      data: new BigInt64Array(24).fill(1n),
    });
    expect(feeds.get("position_ids")?.data).toEqual(
      BigInt64Array.of(7n, 8n, 9n, 10n, 11n, 7n, 8n, 9n, 10n, 11n),
    );
    const cache = feeds.get("past_key_values.0.key");
    expect(cache?.dims).toEqual([2, 2, 7, 4]);
    expect([...(cache?.data ?? [])].every((x) => Math.abs(Number(x)) < 1)).toBe(true);
  });

  it("is reproducible, and changes with the seed and the case, not with other inputs", () => {
    const signature = { inputs: decoder, outputs: [logits] };
    expect(makeFeeds(signature, sizes)).toEqual(makeFeeds(signature, sizes));
    expect(makeFeeds(signature, sizes)).not.toEqual(makeFeeds(signature, sizes, { seed: 1 }));
    const alone = makeFeeds({ inputs: decoder.slice(3), outputs: [logits] }, sizes);
    expect(alone.get("past_key_values.0.key")).toEqual(
      makeFeeds(signature, sizes).get("past_key_values.0.key"),
    );
  });

  it("fills every other type: normal, true, zero, half bits", () => {
    const feeds = makeFeeds(
      {
        inputs: [
          port("scale", "float16", 64),
          port("flag", "bool", 2),
          port("n", "int32"),
          port("additive_mask", "float", "batch", 1, "sequence", "total"),
          port("attention_mask", "float16", "batch", "total"),
        ],
        outputs: [],
      },
      { batch: 1, sequence: 1, past: 1 },
    );
    expect(new Set([...(feeds.get("scale")?.data ?? [])].map(Number)).size).toBeGreaterThan(32);
    expect(feeds.get("flag")?.data).toEqual(Uint8Array.of(1, 1));
    expect(feeds.get("n")).toEqual({ dtype: "int32", dims: [], data: Int32Array.of(0) });
    expect(feeds.get("additive_mask")?.data).toEqual(Float32Array.of(0, 0));
    expect(feeds.get("attention_mask")?.data).toEqual(Uint16Array.of(0x3c00, 0x3c00));
  });

  it("takes token ids below the vocabulary given", () => {
    const feeds = makeFeeds({ inputs: decoder, outputs: [logits] }, sizes, { vocabulary: 1 });
    expect(feeds.get("input_ids")?.data).toEqual(new BigInt64Array(10));
  });

  it.each([port("text", "string", 1), port("list", null)])("refuses %j by name", (input) => {
    expect(() => makeFeeds({ inputs: [input], outputs: [] }, sizes)).toThrow(
      expect.objectContaining({ code: "VERIFY_INPUT", message: expect.stringContaining(`"${input.name}"`) }),
    );
  });

  it("takes sizes that are given for symbols", () => {
    const inputs = [
      port("past_key_values.0.key", "float", "batch_size", 2, "past_sequence_length", "kv_cache_dim"),
    ];
    const symbols = new Map([["kv_cache_dim", 16]]);
    const feeds = makeFeeds({ inputs, outputs: [] }, sizes, { symbols });
    expect(feeds.get("past_key_values.0.key")?.dims).toEqual([2, 2, 7, 16]);
  });

  it("reads the vocabulary off the logits", () => {
    expect(vocabularyOf({ outputs: [port("h", "float", "s", 8), logits], inputs: [] })).toBe(100);
    expect(vocabularyOf({ outputs: [port("y", "float", "s", "v")], inputs: [] })).toBeNull();
  });
});

describe("fitCases", () => {
  it("keeps every case of a graph without static dims", () => {
    expect(fitCases(decoder, defaultCases)).toEqual({ cases: [...defaultCases], skipped: [] });
  });

  it("drops what needs a cache that is not there", () => {
    const { cases, skipped } = fitCases(decoder.slice(0, 1), defaultCases);
    expect(cases.every(({ past }) => past === 0)).toBe(true);
    expect(skipped).toHaveLength(4);
    expect(skipped[0]).toEqual({
      case: { batch: 1, sequence: 1, past: 7 },
      reason: "the graph has no cache",
    });
  });

  it("runs a static graph at its own size, once", () => {
    const inputs = [port("input_ids", "int64", 1, 1), port("past_key_values.0.key", "float", 1, 2, 31, 4)];
    const { cases, skipped } = fitCases(inputs, defaultCases);
    expect(cases).toEqual([{ batch: 1, sequence: 1, past: 31 }]);
    expect(skipped).toHaveLength(defaultCases.length);
    expect(skipped.map(({ reason }) => reason)).toContain("the graph takes a batch of 1 only");
    expect(skipped.map(({ reason }) => reason)).toContain("the graph takes a past of 31 only");
  });

  it("does not take the length of a buffer for the past", () => {
    const inputs = [
      port("input_ids", "int64", "batch", "sequence_len"),
      port("key_cache.0", "float", "batch", 64, 16),
      port("write_indices", "int64", "batch"),
      port("nonpad_kv_seqlen", "int64", "batch"),
    ];
    expect(fitCases(inputs, defaultCases)).toEqual({ cases: [...defaultCases], skipped: [] });
    const feeds = makeFeeds({ inputs, outputs: [] }, sizes);
    expect(feeds.get("key_cache.0")?.dims).toEqual([2, 64, 16]);
    expect(feeds.get("write_indices")?.data).toEqual(BigInt64Array.of(7n, 7n));
    expect(feeds.get("nonpad_kv_seqlen")?.data).toEqual(BigInt64Array.of(12n, 12n));
  });

  it("takes the sequence that a mask of fixed length has, where there is no cache", () => {
    const inputs = [port("x", "float", 2, 8, 16), port("attention_mask", "int64", 2, 8)];
    const { cases, skipped } = fitCases(inputs, defaultCases);
    expect(cases).toEqual([{ batch: 2, sequence: 8, past: 0 }]);
    expect(skipped[0]?.reason).toBe("the graph takes a batch of 2 only");
  });

  it("takes the sequence that a past of fixed length leaves of a mask of fixed length", () => {
    const inputs = [
      port("input_ids", "int64", "batch", "sequence"),
      port("attention_mask", "int64", "batch", 12),
      port("past_key_values.0.key", "float", "batch", 2, 10, 4),
    ];
    const { cases } = fitCases(inputs, [{ batch: 3, sequence: 5, past: 0 }]);
    expect(cases).toEqual([{ batch: 3, sequence: 2, past: 10 }]);
  });

  it("takes the past that is left of a mask of fixed length", () => {
    const inputs = [
      port("input_ids", "int64", "batch", "sequence"),
      port("attention_mask", "int64", "batch", 12),
      port("past_key_values.0.key", "float", "batch", 2, "past", 4),
    ];
    const { cases } = fitCases(inputs, defaultCases);
    expect(cases).toContainEqual({ batch: 1, sequence: 5, past: 7 });
    expect(cases.every(({ sequence, past }) => sequence + past === 12)).toBe(true);
  });
});

describe("random", () => {
  it("gives numbers of the right distribution", () => {
    const stream = random(1, "x");
    const sample = Array.from({ length: 20000 }, () => stream.normal());
    const mean = sample.reduce((sum, x) => sum + x, 0) / sample.length;
    const variance = sample.reduce((sum, x) => sum + (x - mean) ** 2, 0) / sample.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    expect(Math.max(...Array.from({ length: 1000 }, () => stream.below(7)))).toBe(6);
  });
});
