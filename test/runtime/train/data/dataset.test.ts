import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../../../compiler/diagnostics/sink.ts";
import { batchOf } from "../../../../runtime/train/data/batch.ts";
import { datasetOf, type Dataset, type DataOptions } from "../../../../runtime/train/data/dataset.ts";
import { exampleReader } from "../../../../runtime/train/data/example.ts";
import { idOf, isLearned } from "../../../../runtime/train/data/marked.ts";
import { prepareData, type Preparation } from "../../../../runtime/train/data/prepare.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { jsonl, modelTextIn, tokenizerFolder } from "../texts.ts";

const folder = temporaryFolder();
const reader = exampleReader(modelTextIn(tokenizerFolder(folder)), "model.onnx");
let count = 0;
const named = (ending: string): string => path.join(folder, `${count++}${ending}`);

async function prepared(
  files: readonly string[],
  more: Partial<Preparation> = {},
): ReturnType<typeof prepareData> {
  return prepareData({ files, reader, tokenFile: named(".tokens"), length: 16, vocabulary: 2048, ...more });
}

async function dataset(
  files: readonly string[],
  options: Partial<DataOptions> = {},
  sink = new Sink(),
): Promise<Dataset> {
  const all = { packing: null, length: 16, evalSplit: 0, seed: 0, ...options };
  return datasetOf(await prepared(files, { length: all.length }), all, sink);
}

/** Ids of an epoch's sequences, one list each. */
function epochOf({ train }: Dataset, epoch: number | null): readonly number[][] {
  return Array.from({ length: train.count }, (_, i) => Array.from(train.at(epoch, i).tokens, idOf));
}

const texts = Array.from({ length: 40 }, (_, i) => ({
  text: `${"Emma and Harriet walked on. ".repeat((i * 7) % 5)}${i}`,
}));
const idsOf = (text: string): number[] => [
  ...reader.begin,
  ...reader.encode(text),
  ...(reader.end === null ? [] : [reader.end]),
];
const sorted = (lists: readonly (readonly number[])[]): string[] => lists.map((list) => list.join()).sort();

it("warns of answers that say nothing, but of those that call tools", async () => {
  const sink = new Sink();
  const answered = (content: string, more = {}): object => ({
    messages: [
      { role: "user", content: "Who?" },
      { role: "assistant", content, ...more },
    ],
  });
  const file = jsonl(named(".jsonl"), [
    answered("Emma."),
    answered(""),
    answered(" \n"),
    answered("", { tool_calls: [{ type: "function" }] }),
    answered("", { tool_calls: [] }),
  ]);
  (await dataset([file], { length: 64 }, sink)).close();
  expect(sink.diagnostics).toMatchObject([
    { code: "TRAIN_ANSWERS_EMPTY", severity: "warning", place: { file, path: "line 2" } },
  ]);
  expect(sink.diagnostics[0]?.what).toMatch(/^3 conversations have an answer without text/);
});

describe("packing", () => {
  it("puts texts one behind the other, and cuts them at the length", async () => {
    const data = await dataset([jsonl(named(".jsonl"), texts)]);
    expect(data.packing).toBe("pack");
    const whole = texts.flatMap(({ text }) => idsOf(text));
    expect(epochOf(data, null).flat()).toEqual(whole);
    const rows = epochOf(data, null);
    expect(rows.slice(0, -1).every((row) => row.length === 16)).toBe(true);
    expect(rows).toHaveLength(Math.ceil(whole.length / 16));
    data.close();
  });

  it("gives every token in each epoch, in another order each, the same by one seed", async () => {
    const file = jsonl(named(".jsonl"), texts);
    const [data, same, other] = [
      await dataset([file]),
      await dataset([file]),
      await dataset([file], { seed: 1 }),
    ];
    const [first, second] = [epochOf(data, 0), epochOf(data, 1)];
    expect(first).not.toEqual(second);
    expect(first.flat().sort()).toEqual(second.flat().sort());
    expect(epochOf(same, 0)).toEqual(first);
    expect(epochOf(other, 0)).not.toEqual(first);
    // A sequence is found by its number, whatever was asked before.
    expect(Array.from(same.train.at(1, 3).tokens, idOf)).toEqual(second[3]);
    expect(Array.from(same.train.at(0, 2).tokens, idOf)).toEqual(first[2]);
    for (const one of [data, same, other]) one.close();
  });

  it("says of which lines a sequence is", async () => {
    const data = await dataset([jsonl(named(".jsonl"), texts.slice(0, 5))]);
    const places = Array.from({ length: data.train.count }, (_, i) =>
      data.places(data.train.at(null, i).examples),
    );
    const ends = texts.slice(0, 5).map(({ text }) => idsOf(text).length);
    const lineAt = (token: number): number => {
      let [line, left] = [1, token];
      while (left >= (ends[line - 1] ?? Infinity)) left -= ends[line++ - 1] ?? 0;
      return line;
    };
    for (const [i, place] of places.entries())
      expect(place).toMatch(new RegExp(` lines? ${lineAt(16 * i)}\\b`));
    data.close();
  });
});

describe("what is held back", () => {
  it.each([
    [0.05, 9, 0, ["TRAIN_NONE_HELD_BACK"]],
    [0.05, 10, 1, []],
    [0, 9, 0, []],
  ])("of a share of %d of %d examples is %d, and none is said", async (evalSplit, of, held, codes) => {
    const sink = new Sink();
    const data = await dataset([jsonl(named(".jsonl"), texts.slice(0, of))], { evalSplit }, sink);
    expect(data.examples).toEqual({ train: of - held, evaluation: held });
    expect(sink.diagnostics.map(({ code }) => code)).toEqual(codes);
    data.close();
  });
});

describe("filling up", () => {
  const rows = [
    { prompt: "How old is Emma? ", completion: "Nearly one and twenty." },
    { prompt: "And he? ", completion: "Eight and thirty, as everybody in Highbury very well knows." },
    { prompt: "A prompt that is much too long for sixteen tokens, and goes on. ", completion: "Yes." },
  ];

  it("gives each example a row, cut at the length, and says which are cut and which left out", async () => {
    const sink = new Sink();
    const file = jsonl(named(".jsonl"), rows);
    const data = await dataset([file], {}, sink);
    expect(data.packing).toBe("pad");
    const whole = rows.map(({ prompt, completion }) => idsOf(prompt + completion));
    expect(epochOf(data, null)).toEqual(whole.slice(0, 2).map((ids) => ids.slice(0, 16)));
    expect(sorted(epochOf(data, 0))).toEqual(sorted(epochOf(data, 1)));
    expect(sink.diagnostics.map(({ code, place, what }) => [code, place, what])).toEqual([
      [
        "TRAIN_EXAMPLES_CUT",
        { file, path: "line 2" },
        expect.stringMatching(/^1 of 3 examples .* 16 tokens/),
      ],
      ["TRAIN_EXAMPLES_LEFT_OUT", { file, path: "line 3" }, expect.stringMatching(/^1 of 3 examples/)],
    ]);
    data.close();
  });

  it("refuses data of which nothing would be learned", async () => {
    await expect(dataset([jsonl(named(".jsonl"), rows.slice(2))])).rejects.toThrow(
      /TRAIN_NOTHING_LEARNED.*\n.*first 16, found none in 1/,
    );
  });

  it("makes a batch of rows of different lengths", async () => {
    const data = await dataset([jsonl(named(".jsonl"), rows)]);
    const two = [data.train.at(null, 0), data.train.at(null, 1)];
    const batch = batchOf(two, 5);
    const width = Math.max(...two.map(({ tokens }) => tokens.length));
    expect(batch.ids.dims).toEqual([2, width]);
    let learned = 0;
    for (const [row, { tokens }] of two.entries())
      for (let i = 0; i < width; i++) {
        const token = tokens[i];
        const at = row * width + i;
        expect(batch.ids.data[at]).toBe(BigInt(token === undefined ? 5 : idOf(token)));
        expect(batch.mask.data[at]).toBe(token === undefined ? 0n : 1n);
        const isOne = token !== undefined && isLearned(token);
        expect(batch.labels.data[at]).toBe(isOne ? BigInt(idOf(token)) : -100n);
        if (isOne && i > 0) learned++;
      }
    expect(batch.learned).toBe(learned);
    data.close();
  });
});

describe("evaluation", () => {
  it("holds a share back by the seed, which is in no batch", async () => {
    const file = jsonl(named(".jsonl"), texts);
    const data = await dataset([file], { evalSplit: 0.25, packing: "pad" });
    expect(data.examples).toEqual({ train: 30, evaluation: 10 });
    const held = Array.from({ length: 10 }, (_, i) => Array.from(data.evaluation.at(null, i).tokens, idOf));
    const kept = epochOf(data, 0);
    const whole = texts.map(({ text }) => idsOf(text).slice(0, 16));
    expect(sorted([...held, ...kept])).toEqual(sorted(whole));
    const other = await dataset([file], { evalSplit: 0.25, packing: "pad", seed: 3 });
    expect(
      Array.from({ length: 10 }, (_, i) => Array.from(other.evaluation.at(null, i).tokens, idOf)),
    ).not.toEqual(held);
    for (const one of [data, other]) one.close();
  });

  it("leaves an example to train on", async () => {
    const data = await dataset([jsonl(named(".jsonl"), texts.slice(0, 1))], { evalSplit: 0.9 });
    expect(data.examples).toEqual({ train: 1, evaluation: 0 });
    data.close();
  });
});

describe("a text file", () => {
  it("is one text: its blocks are of the length, and it ends once", async () => {
    const file = named(".txt");
    const text = Array.from({ length: 900 }, (_, i) => `Paragraph ${i} of the text, which goes on.\n\n`).join(
      "",
    );
    writeFileSync(file, text);
    const data = await dataset([file], { packing: "pad" });
    const rows = epochOf(data, null);
    expect(rows.slice(0, -1).every((row) => row.length === 16)).toBe(true);
    const ids = rows.flat();
    expect(ids.filter((id) => id === reader.end)).toHaveLength(1);
    // Pieces are cut where the tokenizer cuts: these are the tokens of the whole text.
    expect(ids).toEqual(idsOf(text));
    data.close();
  });
});

describe("preparing", () => {
  it("digests tokens: the same data give the same, other data another", async () => {
    const [a, b] = [jsonl(named(".jsonl"), texts), jsonl(named(".jsonl"), texts)];
    const c = jsonl(named(".jsonl"), [...texts.slice(0, 39), { text: "40" }]);
    const digests = await Promise.all([a, b, c].map(async (file) => (await prepared([file])).digest));
    expect(digests[0]).toBe(digests[1]);
    expect(digests[0]).not.toBe(digests[2]);
  });

  it("refuses an empty file, and an id beyond the vocabulary, and leaves no file", async () => {
    const [empty, full] = [named(".jsonl"), jsonl(named(".jsonl"), texts)];
    writeFileSync(empty, "\n");
    await expect(prepared([full, empty])).rejects.toThrow(`${empty}: error TRAIN_DATA_EMPTY`);
    const tokenFile = named(".tokens");
    await expect(prepared([full], { vocabulary: 5, tokenFile })).rejects.toThrow(
      /TRAIN_TOKEN_RANGE.*\n {2}at line 1\n {2}wanted token ids from 0 to 4, found \d+/,
    );
    expect(existsSync(tokenFile)).toBe(false);
  });

  it("says how far it is, and ends when it is told to", async () => {
    const file = jsonl(
      named(".jsonl"),
      Array.from({ length: 3000 }, () => ({ text: "a truth universally acknowledged" })),
    );
    const seen: number[] = [];
    await prepared([file], { onProgress: (_, done, total) => seen.push(done / total) });
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toBe(1);
    const controller = new AbortController();
    const ended = prepared([file], {
      signal: controller.signal,
      onProgress: () => {
        controller.abort(new Error("enough"));
      },
    });
    await expect(ended).rejects.toThrow("enough");
  });
});
