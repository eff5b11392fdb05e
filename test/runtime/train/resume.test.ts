import { existsSync, readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { newToken } from "../../../compiler/onnx/output/owner.ts";
import { filesIn } from "../../support/folder.ts";
import { tinyTrainingGraph } from "./tiny-graph.ts";
import type { TrainEvent, TrainingOptions, TrainingReport } from "../../../runtime/train/options.ts";
import { data, endedAt, graph, linesOf, named, train, type Line } from "./tiny-run.ts";

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

  describe("knows what its best adapter is of", () => {
    // The loss falls in each step: the last evaluation is the best one.
    const how = { steps: 8, saveEvery: 4, learningRate: 0.01, evalSplit: 0.2 } as const;
    const evaluations = (report: TrainingReport): Line[] =>
      linesOf(report).filter(({ eval_loss: loss }) => loss !== undefined);
    /** Ends a run in the evaluation behind a step. */
    const endedEvaluating = (step: number): Pick<TrainingOptions, "signal" | "onEvent"> => {
      const controller = new AbortController();
      let last = 0;
      const onEvent = (event: TrainEvent): void => {
        if (event.kind === "step") last = event.metrics.step;
        if (event.kind === "evaluating" && last === step) controller.abort(new Error("enough"));
      };
      return { signal: controller.signal, onEvent };
    };
    /** As if the process had been killed behind a step: of later checkpoints nothing is there. */
    const killedBehind = async (out: string, step: number, evalEvery: number): Promise<void> => {
      await train({ out, ...how, evalEvery, ...endedAt(step), resume: existsSync(out) });
      rmSync(path.join(out, `checkpoints/step-00000${step}.safetensors`));
    };

    it("where it was killed behind an evaluation that no checkpoint knows of", async () => {
      const out = named(".run");
      await killedBehind(out, 7, 6);
      // Evaluations are made elsewhere now, and none of them until it ends.
      const part = await train({ out, ...how, evalEvery: 20, resume: true, ...endedAt(5) });
      const file = readFileSync(part.files.best ?? "");
      expect(part.best).toMatchObject({ step: 6 });
      const whole = await train({ ...how, evalEvery: 6, ...endedAt(7) });
      expect(evaluations(whole).at(-1)).toMatchObject({ step: 6, eval_loss: part.best?.loss });
      expect(file.equals(readFileSync(whole.files.best ?? ""))).toBe(true);
    });

    it("where it was saved before the evaluation of its step, and killed behind it", async () => {
      const out = named(".run");
      const ended = await train({ out, ...how, evalEvery: 4, ...endedEvaluating(4) });
      expect(ended).toMatchObject({ step: 4, best: { step: 0 } });
      await killedBehind(out, 6, 4);
      const part = await train({ out, ...how, evalEvery: 4, resume: true, ...endedAt(5) });
      expect(part.best).toMatchObject({ step: 4, loss: evaluations(part).at(-1)?.["eval_loss"] });
    });

    it.each<[string, (file: string) => void, number]>([
      [
        "is gone",
        (file) => {
          rmSync(file);
        },
        8,
      ],
      [
        "is damaged",
        (file) => {
          writeFileSync(file, "no adapter");
        },
        8,
      ],
    ])("and writes it again where it %s", async (_, damage, step) => {
      const out = named(".run");
      const first = await train({ out, ...how, evalEvery: 4, ...endedAt(6) });
      damage(first.files.best ?? "");
      const rest = await train({ out, ...how, evalEvery: 4, resume: true });
      expect(rest.best).toMatchObject({ step });
      expect(readFileSync(rest.files.best ?? "").includes(`{\\"step\\":${step},`)).toBe(true);
    });
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

  const damages: Readonly<Record<string, (bytes: Buffer) => Uint8Array>> = {
    "of no bytes": () => new Uint8Array(),
    "that was cut": (bytes) => bytes.subarray(0, -40),
    "cut in its header": (bytes) => bytes.subarray(0, 100),
    "of zeros": (bytes) => new Uint8Array(bytes.length),
    "with another number": (bytes) => {
      const other = Buffer.from(bytes);
      other.writeFloatLE(0.25, other.length - 4);
      return other;
    },
    "of another step": () => Buffer.from("another step"),
  };

  it.each(Object.entries(damages))("passes over a checkpoint %s", async (what, damage) => {
    const whole = await train({ steps: 6, saveEvery: 2, keep: 2 });
    const out = named(".run");
    const how = { out, steps: 6, saveEvery: 2, keep: 2 };
    await train({ ...how, ...endedAt(4) });
    const [older, newest] = [2, 4].map((step) => path.join(out, `checkpoints/step-00000${step}.safetensors`));
    if (older === undefined || newest === undefined) throw new Error("no names");
    const bytes = what === "of another step" ? readFileSync(older) : damage(readFileSync(newest));
    writeFileSync(newest, bytes);
    const sink = new Sink();
    const rest = await train({ ...how, resume: true }, graph, sink);
    expect(sink.diagnostics).toMatchObject([
      { code: "TRAIN_CHECKPOINT_DAMAGED", severity: "warning", place: { file: newest } },
    ]);
    expect(sink.diagnostics[0]?.what).toContain("the one before it is taken, of step 2");
    expect(linesOf(rest)).toEqual(linesOf(whole));
    expect(readFileSync(rest.files.adapter).equals(readFileSync(whole.files.adapter))).toBe(true);
  });

  it("keeps what is whole, not what is damaged, where one checkpoint is kept", async () => {
    const out = named(".run");
    await train({ out, steps: 6, saveEvery: 1, keep: 3, ...endedAt(4) });
    for (const step of [3, 4]) writeFileSync(path.join(out, `checkpoints/step-00000${step}.safetensors`), "");
    await train({ out, steps: 6, saveEvery: 3, keep: 1, resume: true, ...endedAt(3) });
    const sink = new Sink();
    expect(filesIn(path.join(out, "checkpoints"))).toEqual(["step-000003.safetensors"]);
    expect(await train({ out, steps: 6, resume: true }, graph, sink)).toMatchObject({ step: 6 });
  });

  it("is refused where no checkpoint is whole, and begins again where those are removed", async () => {
    const out = named(".run");
    await train({ out, steps: 2, keep: 1 });
    const [adapter, checkpoints] = [path.join(out, "adapter.safetensors"), path.join(out, "checkpoints")];
    writeFileSync(path.join(checkpoints, "step-000002.safetensors"), readFileSync(adapter));
    await expect(train({ out, steps: 2, resume: true })).rejects.toThrow(
      `remove ${checkpoints}: with \`resume\` the run then begins again`,
    );
    rmSync(checkpoints, { recursive: true });
    expect(await train({ out, steps: 2, resume: true })).toMatchObject({ step: 2, interrupted: false });
  });

  it("begins again where the run was killed before its first step", async () => {
    const out = named(".run");
    mkdirSync(out);
    writeFileSync(path.join(out, ".running"), newToken().replace(`-${process.pid}-`, "-999999999-"));
    expect(linesOf(await train({ out, steps: 3, resume: true }))).toEqual(linesOf(await train({ steps: 3 })));
  });
});
