import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { sourceOf } from "../../../../runtime/train/data/read.ts";
import type { Row, TextPiece } from "../../../../runtime/train/data/row.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { collect } from "../../collect.ts";

const folder = temporaryFolder();
let count = 0;

function written(ending: string, content: string | Uint8Array): string {
  const file = path.join(folder, `${count++}${ending}`);
  writeFileSync(file, content);
  return file;
}

async function rowsOf(file: string): Promise<readonly Row[]> {
  const source = sourceOf(file);
  if (source.kind !== "rows") throw new Error("not a table");
  return collect(source.read(() => undefined));
}

async function piecesOf(file: string): Promise<readonly TextPiece[]> {
  const source = sourceOf(file);
  if (source.kind !== "text") throw new Error("not a text");
  return collect(source.read(() => undefined));
}

describe(".jsonl", () => {
  it("gives each line's object, with its number", async () => {
    const file = written(".jsonl", '\ufeff{"text":"a"}\r\n\n{"text":"é"}\n  \n{"text":"c"}');
    expect(await rowsOf(file)).toEqual([
      { line: 1, fields: { text: "a" } },
      { line: 3, fields: { text: "é" } },
      { line: 5, fields: { text: "c" } },
    ]);
  });

  it("reads characters and lines across the bounds of what is read at once", async () => {
    const rows = Array.from({ length: 4000 }, (_, i) => ({ text: `${"é€😀".repeat(i % 40)} ${i}` }));
    const file = written(".jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));
    expect((await rowsOf(file)).map(({ fields }) => fields)).toEqual(rows);
  });

  it.each([
    ["cut short", '{"text":"a"}\n{"text":', 2, "text that is not JSON"],
    ["an array", '{"text":"a"}\n\n["a"]\n', 3, "an array"],
    ["a text", '"a"\n', 1, "a string"],
  ])("names a line that is %s", async (_, content, line, found) => {
    const file = written(".jsonl", content);
    await expect(rowsOf(file)).rejects.toThrow(
      new RegExp(`^${file}: error TRAIN_DATA_LINE: .*\n  at line ${line}\n  wanted .*, found ${found}`),
    );
  });

  it.each([
    ["in its first line", [], 1],
    ["far in", Array.from({ length: 9000 }, () => '{"text":"a truth universally acknowledged"}'), 9001],
  ])("names a line with bytes that are not UTF-8, %s", async (_, before, line) => {
    const lines = before.map((text) => `${text}\n`).join("");
    const file = written(
      ".jsonl",
      Buffer.concat([Buffer.from(`${lines}{"text":"`), Buffer.from([0xe9, 0x22, 0x7d])]),
    );
    await expect(rowsOf(file)).rejects.toThrow(
      new RegExp(`TRAIN_DATA_LINE.*\n  at line ${line}\n.*not UTF-8`),
    );
  });

  it("names a line that ends within a character", async () => {
    const file = written(
      ".jsonl",
      Buffer.concat([Buffer.from('{"text":"a"}\n{"text":"'), Buffer.from([0xe2, 0x82])]),
    );
    await expect(rowsOf(file)).rejects.toThrow(/at line 2\n.*not UTF-8/);
  });
});

describe(".csv", () => {
  it("gives rows by the names of columns, with the line that each begins in", async () => {
    const file = written(
      ".csv",
      'prompt,completion\na,b\n"two\nlines","with, comma"\n\n"with ""quotes""",d\n',
    );
    expect(await rowsOf(file)).toEqual([
      { line: 2, fields: { prompt: "a", completion: "b" } },
      { line: 3, fields: { prompt: "two\nlines", completion: "with, comma" } },
      { line: expect.any(Number), fields: { prompt: 'with "quotes"', completion: "d" } },
    ]);
  });

  it.each([
    ["that has a name twice", "id,text,text\n1,a,b\n", "one column text, found id, text, text"],
    ["with semicolons between", "text;id\na;1\n", "commas between, found text;id, with semicolons"],
    ["with tabs between", "prompt\tcompletion\na\tb\n", "commas between, found .*, with tabs"],
    ["without a name that it knows", "id,body\n1,a\n", "a column text; .*, found id, body"],
  ])("refuses a first line %s", async (_, content, found) => {
    await expect(rowsOf(written(".csv", content))).rejects.toThrow(
      new RegExp(`TRAIN_DATA_LINE.*\n {2}at line 1\n {2}wanted .*${found}`),
    );
  });

  it("takes other columns whatever their names are", async () => {
    expect(await rowsOf(written(".csv", "text,id,id\na,1,2\n"))).toEqual([
      { line: 2, fields: { text: "a", id: "2" } },
    ]);
  });

  it("names a row with too many fields", async () => {
    const file = written(".csv", "text\na\nb,c\n");
    await expect(rowsOf(file)).rejects.toThrow(/TRAIN_DATA_LINE.*\n {2}at line 3\n/);
  });

  it("names the row that opens a quote which nothing closes", async () => {
    const file = written(".csv", 'text\n"a"\n"b\nc\n');
    await expect(rowsOf(file)).rejects.toThrow(
      /TRAIN_DATA_LINE.*\n {2}at line 3\n.*found a quote that nothing closes/,
    );
  });

  it("names a line that is not UTF-8", async () => {
    const file = written(".csv", Buffer.from("text\na\nb\xe9\n", "latin1"));
    await expect(rowsOf(file)).rejects.toThrow(/TRAIN_DATA_LINE.*\n {2}at line 3\n.*not UTF-8/);
  });
});

/** Written by pyarrow: parquet.py */
describe(".parquet", () => {
  const fixture = (name: string): string => path.join(import.meta.dirname, name);

  it.each(["snappy", "gzip", "zstd", "brotli"])("gives the rows of all row groups, %s", async (codec) => {
    const rows = await rowsOf(fixture(`text.${codec}.parquet`));
    expect(rows).toHaveLength(50);
    expect(rows[41]).toEqual({
      line: 42,
      fields: { text: "Paragraph 41: it is a truth universally acknowledged." },
    });
  });

  it("gives conversations", async () => {
    const [first] = await rowsOf(fixture("chat.parquet"));
    expect(first?.fields["messages"]).toEqual([
      { role: "user", content: "How old is Emma?" },
      { role: "assistant", content: "Nearly one and twenty." },
    ]);
  });

  it("refuses a file without a column that it could use, and one that is none", async () => {
    await expect(rowsOf(fixture("numbers.parquet"))).rejects.toThrow(/TRAIN_DATA_FILE.*\n.*found columns id/);
    await expect(rowsOf(written(".parquet", "PAR1 or not"))).rejects.toThrow("TRAIN_DATA_FILE");
    const whole = readFileSync(fixture("text.snappy.parquet"));
    const holed = Buffer.from(whole);
    holed.fill(0xff, 4, 200);
    await expect(rowsOf(written(".parquet", holed))).rejects.toThrow("TRAIN_DATA_FILE");
  });
});

describe(".txt", () => {
  it("is cut at ends of paragraphs, and together it is the text", async () => {
    const text = Array.from(
      { length: 3000 },
      (_, i) => `Paragraph ${i}\nof two lines.\n\n${"\n".repeat(i % 3)}`,
    ).join("");
    const pieces = await piecesOf(written(".txt", text));
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.map((piece) => piece.text).join("")).toBe(text);
    for (const piece of pieces) expect(piece.text).toMatch(/^Paragraph [^]*of two lines\.\n\n+$/);
    const lines = text.split("\n");
    for (const piece of pieces) expect(piece.text.startsWith(lines[piece.line - 1] ?? "?")).toBe(true);
  });

  it("is cut without ends of lines, and within newlines without end, but not within a character", async () => {
    for (const text of ["😀".repeat(1_500_000), "\n".repeat(3_000_000)]) {
      const pieces = await piecesOf(written(".txt", text));
      expect(pieces.length).toBeGreaterThan(1);
      expect(pieces.every(({ text: one }) => Buffer.from(one).toString() === one)).toBe(true);
      expect(pieces.map((piece) => piece.text).join("") === text).toBe(true);
    }
  });
});

describe("other files", () => {
  it("are refused by their ending, or as what cannot be opened", async () => {
    expect(() => sourceOf("data.json")).toThrow(
      /TRAIN_DATA_FILE.*\n {2}wanted .*\.jsonl, \.csv, \.parquet, \.txt, found \.json/,
    );
    expect(() => sourceOf("data")).toThrow(/found no ending/);
    await expect(rowsOf(path.join(folder, "none.jsonl"))).rejects.toThrow("FILE_NOT_FOUND");
    await expect(rowsOf(path.join(folder, "none.parquet"))).rejects.toThrow("FILE_NOT_FOUND");
    await expect(
      rowsOf(written(".jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")),
    ).rejects.toThrow("FILE_IS_LFS_POINTER");
  });
});
