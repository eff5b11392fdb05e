import { describe, expect, it } from "@jest/globals";
import { makeFeeds } from "../../../runtime/session/feeds.ts";
import type { Port } from "../../../runtime/session/tensor.ts";

const inputs: readonly Port[] = [
  { name: "input_ids", dtype: "int64", dims: ["num_tokens"] },
  { name: "positions", dtype: "int64", dims: ["num_tokens"] },
  { name: "cache.0.key", dtype: "float", dims: ["num_blocks", "block_size", 2, 8] },
  { name: "cumulative_sequence_length", dtype: "int32", dims: ["batch_size + 1"] },
  { name: "past_seqlens", dtype: "int32", dims: ["batch_size"] },
  { name: "block_table", dtype: "int32", dims: ["batch_size", "max_blocks"] },
  { name: "slot_mapping", dtype: "int32", dims: ["num_tokens"] },
  { name: "logits_indices", dtype: "int64", dims: ["num_logits"] },
];

function feeds(batch: number, sequence: number, past: number, ports = inputs) {
  const made = makeFeeds({ inputs: ports, outputs: [] }, { batch, sequence, past });
  return (name: string) => ({
    dims: made.get(name)?.dims,
    values: Array.from(made.get(name)?.data ?? [], Number),
  });
}

describe("feeds of a graph with a paged cache", () => {
  it("lay the tokens of a prefill one after another", () => {
    const of = feeds(2, 5, 0);
    expect(of("input_ids").dims).toEqual([10]);
    expect(of("positions").values).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    expect(of("cumulative_sequence_length").values).toEqual([0, 5, 10]);
    expect(of("past_seqlens").values).toEqual([0, 0]);
    expect(of("logits_indices").values).toEqual([4, 9]);
  });

  it("mix a sequence that begins with others that go on", () => {
    const of = feeds(3, 1, 7);
    expect(of("cumulative_sequence_length").values).toEqual([0, 1, 2, 9]);
    expect(of("past_seqlens").values).toEqual([7, 7, 0]);
    expect(of("positions").values).toEqual([7, 7, 0, 1, 2, 3, 4, 5, 6]);
  });

  it.each([
    [1, 1, 0],
    [1, 5, 7],
    [2, 16, 7],
  ])("give each sequence blocks of its own: batch %d, sequence %d, past %d", (batch, sequence, past) => {
    const of = feeds(batch, sequence, past);
    const [blocks = 0, size = 0] = of("cache.0.key").dims ?? [];
    const [rows = 0, width = 0] = of("block_table").dims ?? [];
    expect(rows).toBe(batch);
    const table = of("block_table").values;
    const [starts, pasts] = [of("cumulative_sequence_length").values, of("past_seqlens").values];
    const used = pasts.flatMap((n, row) => {
      const total = n + (starts[row + 1] ?? 0) - (starts[row] ?? 0);
      return table.slice(row * width, row * width + Math.ceil(total / size));
    });
    expect(new Set(used).size).toBe(used.length);
    expect(used.every((block) => block > 0 && block < blocks)).toBe(true);
    const slots = pasts.flatMap((_, row) =>
      of("positions")
        .values.slice(starts[row], starts[row + 1])
        .map((position) => {
          const block = table[row * width + Math.floor(position / size)] ?? 0;
          return block * size + (position % size);
        }),
    );
    expect(of("slot_mapping").values).toEqual(slots);
  });

  it("take the block size that the graph fixes", () => {
    const fixed = inputs.map((port) =>
      port.name === "cache.0.key" ? { ...port, dims: ["num_blocks", 16, 2, 8] } : port,
    );
    expect(feeds(2, 16, 7, fixed)("cache.0.key").dims).toEqual([4, 16, 2, 8]);
  });
});
