import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { tfcHere } from "../../support/tfc.ts";
import { verify } from "../../../runtime/verify/verify.ts";
import { samples } from "../../models/adapted/logits.ts";
import { graphOf } from "../oracle.ts";

const folder = temporaryFolder();
const LENGTH = 24;

describe("a base with shared caches", () => {
  let shared: string;
  let again: string;
  beforeAll(async () => {
    shared = path.join(folder, "shared/model.onnx");
    again = path.join(folder, "again/model.onnx");
    const options = { for: "cpu", kv: "shared", maxLength: LENGTH, adapters: false } as const;
    await compile({ input: graphOf("dynamo"), output: shared, ...options });
    await compile({ input: shared, output: again, pack: true, adapters: false });
  });

  it("is fed as one with caches that grow, and runs every case that they have room for", async () => {
    const cases = [
      { batch: 1, sequence: 5, past: 0 },
      { batch: 1, sequence: 1, past: LENGTH - 1 },
      { batch: 2, sequence: 3, past: 7 },
      { batch: 1, sequence: 2, past: LENGTH - 1 },
    ];
    const report = await verify(shared, again, { cases, tolerance: 1e-4 });
    expect(report.same).toBe(true);
    expect(report.levels.map(({ cases: ran }) => ran.length)).toEqual([3, 3]);
    expect(report.skipped).toEqual([
      { case: cases[3], reason: `the base's caches have room for ${LENGTH} tokens` },
    ]);
  });

  it("is not compared where no case fits", async () => {
    const cases = [{ batch: 1, sequence: LENGTH + 1, past: 0 }];
    await expect(verify(shared, again, { cases })).rejects.toThrow(
      /VERIFY_NO_CASE.*no case was run[^]*found the base's caches have room for 24 tokens/,
    );
    await expect(verify(graphOf("dynamo"), again, { cases })).rejects.toThrow(
      /VERIFY_NO_CASE.*no case was run[^]*found the compiled graph's caches have room for 24 tokens/,
    );
  });

  it("holds a grown adapter to what it was", async () => {
    const plain = path.join(samples, "peft/plain");
    const grown = ["--rank", "2x", "--check", shared, "-o", path.join(folder, "grown")];
    expect((await tfcHere("grow", plain, ...grown)).status).toBe(0);
  });
});
