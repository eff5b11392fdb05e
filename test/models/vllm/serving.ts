import { copyFileSync } from "node:fs";
import path from "node:path";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { emitModel } from "../../../compiler/onnx/emit.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { writePieces } from "../../../compiler/onnx/output.ts";
import { runPasses, step } from "../../../compiler/pass/runner.ts";
import { lowerPagedAttention } from "../../../passes/index.ts";
import type { Session } from "../../../runtime/session/session.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../../runtime/session/tensor.ts";
import { emptyCache, nextCache, sample } from "../../runtime/oracle.ts";

export const exports = ["paged", "opaque"] as const;

/** The graph of a vLLM-style export. */
export function exportOf(name: (typeof exports)[number]): string {
  return path.join(sample, "vllm", `${name}.onnx`);
}

/** Lowers the paged attention of a model and writes it beside; its weights are referred to as they were. */
export function lowered(input: string): string {
  const { model } = openModel(input, new Sink());
  runPasses(model, [step(lowerPagedAttention)], new Sink());
  const output = path.join(path.dirname(input), `lowered-${path.basename(input)}`);
  writePieces(output, emitModel(model).pieces);
  return output;
}

/** A vLLM-style export lowered as it is, in another folder. */
export function loweredExport(folder: string, name: (typeof exports)[number]): string {
  for (const file of [`${name}.onnx`, "weights.data"]) {
    copyFileSync(path.join(sample, "vllm", file), path.join(folder, file));
  }
  return lowered(path.join(folder, `${name}.onnx`));
}

/** Logits of tokens, a row for each. */
export type Logits = readonly (readonly number[])[];

/** New tokens of a sequence, which is known by its name. */
export type Step = readonly [sequence: string, tokens: readonly number[]];

function rowsOf(logits: HostTensor | undefined): Logits {
  if (logits === undefined) throw new Error("no logits");
  const width = logits.dims.at(-1) ?? 1;
  const values = Array.from(logits.data as Float32Array);
  return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width));
}

/** Runs an HF-style graph, one sequence at a time, each with a cache of its own. */
export class HfRunner {
  readonly #session: Session;
  readonly #caches = new Map<string, { readonly cache: Tensors; readonly length: number }>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Feeds new tokens to their sequences; the logits of all of them. */
  async run(steps: readonly Step[]): Promise<Logits> {
    const logits: (readonly number[])[] = [];
    for (const [sequence, tokens] of steps) {
      const known = this.#caches.get(sequence);
      const { cache, length } = known ?? { cache: emptyCache(this.#session, 1), length: 0 };
      const total = length + tokens.length;
      const results = await this.#session.run(
        new Map([
          ["input_ids", tensorFrom("int64", [1, tokens.length], (i) => tokens[i] ?? 0)],
          ["attention_mask", tensorFrom("int64", [1, total], () => 1)],
          ["position_ids", tensorFrom("int64", [1, tokens.length], (i) => length + i)],
          ...cache,
        ]),
      );
      this.#caches.set(sequence, { cache: nextCache(this.#session, results), length: total });
      logits.push(...rowsOf(results.get("logits")));
    }
    return logits;
  }
}

/** Runs a vLLM-style graph as an engine does: flat tokens of any sequences at once over one paged cache. */
export class PagedRunner {
  readonly #session: Session;
  readonly #blockSize: number;
  readonly #blocks = new Map<string, number[]>();
  readonly #lengths = new Map<string, number>();
  readonly #free: number[];
  #cache: Map<string, HostTensor>;

  constructor(session: Session, blockSize: number, blocks: number) {
    this.#session = session;
    this.#blockSize = blockSize;
    // Every third block, so that no sequence lies in one piece.
    this.#free = Array.from({ length: blocks }, (_, i) => (i * 3 + Math.floor((i * 3) / blocks)) % blocks);
    const caches = session.inputs.filter(({ name }) => name.startsWith("cache."));
    this.#cache = new Map(
      caches.map(({ name, dims }) => {
        const shape = [blocks, blockSize, ...dims.slice(2).map(Number)];
        // An engine does not clear its cache: what was never written is no number.
        return [name, tensorFrom("float", shape, () => NaN)];
      }),
    );
  }

  /** Feeds new tokens to their sequences, in one run; the logits of all of them. */
  async run(steps: readonly Step[]): Promise<Logits> {
    const past = steps.map(([sequence]) => this.#lengths.get(sequence) ?? 0);
    const tables = steps.map(([sequence, tokens], i) =>
      this.#reserve(sequence, (past[i] ?? 0) + tokens.length),
    );
    const tokens = steps.flatMap(([, ids]) => ids);
    const positions = steps.flatMap(([, ids], i) => ids.map((_, t) => (past[i] ?? 0) + t));
    const slots = steps.flatMap(([, ids], i) => ids.map((_, t) => this.#slot(tables[i], (past[i] ?? 0) + t)));
    const starts = steps.reduce((sum, [, ids]) => [...sum, (sum.at(-1) ?? 0) + ids.length], [0]);
    const width = Math.max(...tables.map((table) => table.length));
    const vector = (dtype: "int32" | "int64", values: readonly number[]): HostTensor =>
      tensorFrom(dtype, [values.length], (i) => values[i] ?? 0);
    const feeds: Tensors = new Map([
      ["input_ids", vector("int64", tokens)],
      ["positions", vector("int64", positions)],
      ["logits_indices", vector("int64", [...tokens.keys()])],
      ["cumulative_sequence_length", vector("int32", starts)],
      ["past_seqlens", vector("int32", past)],
      [
        "block_table",
        tensorFrom("int32", [steps.length, width], (i) => tables[Math.floor(i / width)]?.[i % width] ?? -1),
      ],
      ["slot_mapping", vector("int32", slots)],
      ...this.#cache,
    ]);
    const wanted = new Set(this.#session.inputs.map(({ name }) => name));
    const results = await this.#session.run(new Map([...feeds].filter(([name]) => wanted.has(name))));
    this.#cache = new Map(
      [...this.#cache].map(([name, before]) => [name, results.get(`updated_${name}`) ?? before]),
    );
    steps.forEach(([sequence, ids], i) => this.#lengths.set(sequence, (past[i] ?? 0) + ids.length));
    return rowsOf(results.get("logits"));
  }

  /** The blocks of a sequence, enough for a length. */
  #reserve(sequence: string, length: number): readonly number[] {
    const blocks = this.#blocks.get(sequence) ?? [];
    this.#blocks.set(sequence, blocks);
    while (blocks.length * this.#blockSize < length) {
      const block = this.#free.shift();
      if (block === undefined) throw new Error("the cache is full");
      blocks.push(block);
    }
    return blocks;
  }

  #slot(table: readonly number[] | undefined, position: number): number {
    const block = table?.[Math.floor(position / this.#blockSize)] ?? -1;
    return block * this.#blockSize + (position % this.#blockSize);
  }
}

/** The largest difference of two logits. */
export function difference(want: Logits, got: Logits): number {
  if (want.length !== got.length) return Infinity;
  let most = 0;
  want.forEach((row, i) => {
    row.forEach((x, j) => {
      const d = Math.abs(x - (got[i]?.[j] ?? NaN));
      most = Number.isNaN(d) ? Infinity : Math.max(most, d);
    });
  });
  return most;
}
