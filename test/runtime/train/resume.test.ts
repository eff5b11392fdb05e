import { readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { newToken } from "../../../compiler/onnx/output/owner.ts";
import type { TrainingReport } from "../../../runtime/train/options.ts";
import { filesIn } from "../../support/folder.ts";
import { tinyTrainingGraph } from "./tiny-graph.ts";
import { data, endedAt, graph, linesOf, named, train } from "./tiny-run.ts";

describe("going on", () => {
  it.each([4, 9, 17])("behind step %d gives the same run, bit for bit", async (step) => {
    const whole = await train({ epochs: 3, saveEvery: 5, evalEvery: 4 });
    const out = named(".run");
    const part = await train({ out, epochs: 3, saveEvery: 5, evalEvery: 4, ...endedAt(step) });
    expect(part).toMatchObject({ interrupted: true, step });
    expect(part.files.checkpoint).toMatch(new RegExp(`step-0000${String(step).padStart(2, "0")}`));
    const rest = await train({ out, epochs: 3, saveEvery: 5, evalEvery: 4, resume: true });
    expect(rest).toMatchObject({ interrupted: false, step: 24 });
    expect(linesOf(rest)).toEqual(linesOf(whole));
    for (const name of ["adapter", "best"] as const)
      expect(readFileSync(rest.files[name] ?? "").equals(readFileSync(whole.files[name] ?? ""))).toBe(true);
  });

  it("takes steps back that no checkpoint knows of, and a line that was not written to its end", async () => {
    const whole = await train({ epochs: 2, saveEvery: 5 });
    const out = named(".run");
    await train({ out, epochs: 2, saveEvery: 5, ...endedAt(8) });
    rmSync(path.join(out, "checkpoints/step-000008.safetensors"));
    const metrics = path.join(out, "metrics.jsonl");
    writeFileSync(metrics, `${readFileSync(metrics, "utf8")}{"step":9,"lo`);
    expect(linesOf(await train({ out, epochs: 2, saveEvery: 5, resume: true }))).toEqual(linesOf(whole));
  });

  it("is of a run that has ended nothing but its end", async () => {
    const out = named(".run");
    const whole = await train({ out, steps: 5 });
    const again = await train({ out, steps: 5, resume: true });
    expect(linesOf(again)).toEqual(linesOf(whole));
  });

  it("begins again, and says so, where there is no checkpoint yet", async () => {
    const out = named(".run");
    await train({ out, steps: 4, ...endedAt(1) });
    rmSync(path.join(out, "checkpoints"), { recursive: true });
    const sink = new Sink();
    const report = await train({ out, steps: 4, resume: true }, graph, sink);
    expect(sink.diagnostics.map(({ code }) => code)).toEqual(["TRAIN_RESUME_FIRST"]);
    expect(linesOf(report)).toEqual(linesOf(await train({ steps: 4 })));
  });

  it("is refused with other settings, each by its name", async () => {
    const out = named(".run");
    await train({ out, steps: 3, seed: 2 });
    const other = train({ out, steps: 4, seed: 2, learningRate: 0.1, packing: "pad", resume: true });
    await expect(other).rejects.toThrow(
      /TRAIN_SETTINGS: .*\n {2}wanted `steps` 3, `packing` pack, `learningRate` 0.05, found `steps` 4, `packing` pad, `learningRate` 0.1/,
    );
    const moreData = train({ out, steps: 3, seed: 2, data: [data, data], resume: true });
    await expect(moreData).rejects.toThrow(/TRAIN_SETTINGS: .*\n {2}wanted `data` sha256/);
    const otherGraph = await tinyTrainingGraph(named(""), { accumulate: true });
    await expect(train({ out, steps: 3, seed: 2, resume: true }, otherGraph)).rejects.toThrow(
      /wanted `model` sha256/,
    );
    // Where and how often it is saved changes nothing that is computed.
    await train({ out, steps: 3, seed: 2, resume: true, saveEvery: 1, evalEvery: 1, threads: 1 });
  });

  it("is refused of a checkpoint that is none", async () => {
    const out = named(".run");
    await train({ out, steps: 2, keep: 1 });
    writeFileSync(
      path.join(out, "checkpoints/step-000002.safetensors"),
      readFileSync(path.join(out, "adapter.safetensors")),
    );
    await expect(train({ out, steps: 2, resume: true })).rejects.toThrow(/TRAIN_CHECKPOINT_INVALID/);
  });

  it.each([
    ["cut off", (bytes: Buffer) => bytes.subarray(0, bytes.length - 7)],
    ["empty", () => Buffer.alloc(0)],
    ["of zeros", (bytes: Buffer) => Buffer.alloc(bytes.length)],
  ])("passes over a last checkpoint that is %s, with a warning", async (_, damage) => {
    const out = named(".run");
    const whole = await train({ steps: 6, saveEvery: 2 });
    await train({ out, steps: 6, saveEvery: 2, keep: 2, ...endedAt(4) });
    const last = path.join(out, "checkpoints/step-000004.safetensors");
    const bytes = readFileSync(last);
    writeFileSync(last, damage(bytes));
    const sink = new Sink();
    const report = await train({ out, steps: 6, saveEvery: 2, keep: 1, resume: true }, graph, sink);
    expect(sink.diagnostics.map(({ code, place }) => [code, place.file])).toEqual([
      ["TRAIN_CHECKPOINT_SKIPPED", last],
    ]);
    expect(linesOf(report)).toEqual(linesOf(whole));
    expect(filesIn(path.join(out, "checkpoints"))).toEqual(["step-000006.safetensors"]);
  });

  it("says what to do where no checkpoint is whole, which then is so", async () => {
    const out = named(".run");
    await train({ out, steps: 4, keep: 1, ...endedAt(2) });
    const last = path.join(out, "checkpoints/step-000002.safetensors");
    writeFileSync(last, readFileSync(last).subarray(0, 100));
    const again = (): Promise<TrainingReport> => train({ out, steps: 4, resume: true });
    await expect(again()).rejects.toThrow(/TRAIN_CHECKPOINT_INVALID.*\n.*\n {2}fix: remove the file/);
    rmSync(last);
    expect(linesOf(await again())).toEqual(linesOf(await train({ steps: 4 })));
  });

  it("begins again where the run was killed before its first step", async () => {
    const out = named(".run");
    mkdirSync(out);
    writeFileSync(path.join(out, ".running"), newToken().replace(`-${process.pid}-`, "-999999999-"));
    expect(linesOf(await train({ out, steps: 3, resume: true }))).toEqual(linesOf(await train({ steps: 3 })));
  });
});
