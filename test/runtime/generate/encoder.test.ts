import { copyFileSync, rmSync } from "node:fs";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "@jest/globals";
import { encodeTextBy } from "../../../runtime/generate/encode-text.ts";
import { Encoder } from "../../../runtime/generate/encoder.ts";
import { openTokenizer } from "../../../runtime/generate/tokenizer.ts";
import { temporaryFolder } from "../../support/folder.ts";

const sample = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama");
const folder = temporaryFolder();
const file = path.join(folder, "tokenizer.json");

/** An encoder whose threads do what the code says, one after another; and how many there were. */
function encoderOf(...codes: readonly string[]): {
  readonly encoder: Encoder;
  readonly started: () => number;
} {
  let started = 0;
  const encoder = new Encoder(file, () => {
    const code = codes[started++] ?? "";
    return new Worker(`const { parentPort } = require('node:worker_threads'); ${code}`, { eval: true });
  });
  return { encoder, started: () => started };
}

const ANSWERING =
  "parentPort.on('message', ({ id, request }) => parentPort.postMessage({ id, result: new Float64Array([request.text.length]) }))";

describe("texts that are encoded in a thread", () => {
  it.each([10, 999, 1001, 20_000, 150_000])(
    "of %d characters have the ids they have here",
    async (length) => {
      const tokenizer = openTokenizer(sample);
      const text = "It is a truth universally acknowledged, that 😀 ".repeat(4000).slice(0, length);
      const encode = encodeTextBy(tokenizer);
      for (const special of [true, false])
        expect(await encode(text, special)).toEqual(tokenizer.encode(text, special));
    },
  );

  it("fail as they fail here", async () => {
    copyFileSync(path.join(sample, "tokenizer.json"), file);
    const encode = encodeTextBy(openTokenizer(folder));
    rmSync(file);
    await expect(encode("Emma ".repeat(300), true)).rejects.toMatchObject({
      code: "FILE_NOT_FOUND",
      diagnostics: [expect.objectContaining({ place: expect.objectContaining({ file }) })],
    });
  });
});

describe("a thread that encodes", () => {
  it.each([
    ["process.exit(3)", "status 3"],
    ["throw new Error('no memory left')", "no memory left"],
  ])("and ends by %s fails all who wait, and the next text starts another", async (act, why) => {
    const { encoder, started } = encoderOf(`parentPort.on('message', () => { ${act} })`, ANSWERING);
    const ends = await Promise.allSettled(["a", "b"].map((text) => encoder.encode(text, true)));
    for (const end of ends)
      expect(end).toMatchObject({
        reason: {
          code: "TOKENIZER_ENDED",
          diagnostics: [expect.objectContaining({ found: expect.stringContaining(why) })],
        },
      });
    expect(await encoder.encode("abc", true)).toEqual([3]);
    expect(started()).toBe(2);
  });

  it("goes on when one of two texts is aborted, and ends when nobody waits", async () => {
    const late = `setTimeout(() => { ${ANSWERING} }, 200)`;
    const { encoder, started } = encoderOf(late, ANSWERING);
    const [first, second] = [new AbortController(), new AbortController()];
    const aborted = encoder.encode("a", true, first.signal);
    const kept = encoder.encode("abcd", true, second.signal);
    first.abort(new Error("no more"));
    await expect(aborted).rejects.toThrow("no more");
    expect(await kept).toEqual([4]);
    const alone = encoder.encode("a", true, second.signal);
    second.abort(new Error("none"));
    await expect(alone).rejects.toThrow("none");
    expect(started()).toBe(1);
    expect(await encoder.encode("ab", true)).toEqual([2]);
    expect(started()).toBe(2);
    await expect(encoder.encode("a", true, second.signal)).rejects.toThrow("none");
  });
});
