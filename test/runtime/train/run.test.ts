import { existsSync, readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { newToken } from "../../../compiler/onnx/output/owner.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import type { TrainEvent, TrainingOptions } from "../../../runtime/train/options.ts";
import { filesIn } from "../../support/folder.ts";
import { jsonl } from "./texts.ts";
import { tinyTrainingGraph } from "./tiny-graph.ts";
import { folder, graph, linesOf, lossesOf, named, texts, tokenizer, train } from "./tiny-run.ts";

describe("a run", () => {
  it("learns, evaluates what was held back, and says so in its files", async () => {
    const report = await train({ epochs: 3 });
    expect(report).toMatchObject({
      interrupted: false,
      step: 24,
      steps: 24,
      packing: "pack",
      parameters: 144,
    });
    const losses = lossesOf(report);
    expect(losses).toHaveLength(24);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 2);
    const evaluations = linesOf(report).filter((line) => "eval_loss" in line);
    expect(evaluations.map(({ step }) => step)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24]);
    for (const { eval_loss, perplexity } of evaluations)
      expect(Math.log(perplexity ?? 0)).toBeCloseTo(eval_loss ?? 0, 5);
    expect(filesIn(report.out)).toEqual([
      ...["adapter.safetensors", "best.safetensors", "checkpoints", "checkpoints/step-000021.safetensors"],
      ...["checkpoints/step-000024.safetensors", "index.html", "loss.svg", "metrics.jsonl"],
    ]);
  });

  it("gives an adapter with the graph's settings, and the base's weights that were trained along", async () => {
    const { files } = await train({ steps: 3 });
    const adapter = readAdapter(files.adapter);
    expect(adapter.parts).toMatchObject([{ kind: "lora", settings: { rank: 4, alpha: 4, rslora: false } }]);
    expect([...(adapter.parts[0]?.leaves.keys() ?? [])]).toEqual(["lora_A.weight", "lora_B.weight"]);
    expect([...adapter.overrides.keys()]).toEqual(["model.norm.weight"]);
    const b = adapter.parts[0]?.leaves.get("lora_B.weight")?.bytes() ?? new Uint8Array();
    expect(new Float32Array(b.slice().buffer).some((value) => value !== 0)).toBe(true);
  });

  it("has checkpoints and a folder that load as its adapter", async () => {
    const { files, out } = await train({ steps: 3 });
    const contents = (of: string): unknown => {
      const { parts, overrides } = readAdapter(of);
      const bytes = (leaves: ReadonlyMap<string, { bytes: () => Uint8Array }>): unknown =>
        [...leaves].map(([name, leaf]) => [name, Buffer.from(leaf.bytes()).toString("hex")]);
      return [parts.map((part) => ({ ...part, leaves: bytes(part.leaves) })), bytes(overrides)];
    };
    expect(contents(files.checkpoint ?? "")).toEqual(contents(files.adapter));
    expect(contents(out)).toEqual(contents(files.adapter));
    expect(readAdapter(files.checkpoint ?? "").isCheckpoint).toBe(true);
    rmSync(files.adapter);
    expect(() => readAdapter(out)).toThrow(/ADAPTER_FORMAT_UNKNOWN[^]*a run without adapter\.safetensors/);
  });

  it("is the same by one seed, and another by another", async () => {
    const [first, second, other] = [
      await train({ steps: 6 }),
      await train({ steps: 6 }),
      await train({ steps: 6, seed: 1 }),
    ];
    expect(linesOf(second)).toEqual(linesOf(first));
    expect(readFileSync(second.files.adapter)).toEqual(readFileSync(first.files.adapter));
    expect(linesOf(other)).not.toEqual(linesOf(first));
  });

  it("takes several batches for one where their gradients are summed", async () => {
    const summing = await tinyTrainingGraph(named(""), { accumulate: true });
    const [one, four] = [
      await train({ steps: 8, batch: 8 }, summing),
      await train({ steps: 8, batch: 2, accumulate: 4 }, summing),
    ];
    const [a, b] = [lossesOf(one), lossesOf(four)];
    for (const [i, loss] of a.entries()) expect(b[i]).toBeCloseTo(loss, 4);
    expect(one.steps).toBe(four.steps);
  });

  it("feeds weight decay and clipping, although the graph has defaults for them", async () => {
    const values = async (options: Partial<TrainingOptions>): Promise<Float32Array> => {
      const { files } = await train({ steps: 4, schedule: "constant", ...options });
      const leaf = readAdapter(files.adapter).parts[0]?.leaves.get("lora_A.weight");
      return new Float32Array((leaf?.bytes() ?? new Uint8Array()).slice().buffer);
    };
    const [usual, decayed, clipped] = [
      await values({}),
      await values({ weightDecay: 1 }),
      await values({ clip: 1e-12 }),
    ];
    const norm = (a: Float32Array): number => Math.hypot(...a);
    expect(norm(decayed)).toBeLessThan(norm(usual) * 0.95);
    // Gradients far below AdamW's epsilon move nothing: what is left is the decay.
    expect(norm(clipped.map((value, i) => value - (usual[i] ?? 0)))).toBeGreaterThan(0.05);
  });

  it("tells what happens", async () => {
    const events: TrainEvent["kind"][] = [];
    await train({ steps: 2, onEvent: ({ kind }) => events.push(kind) });
    expect(events.filter((kind, i) => kind !== events[i - 1])).toEqual([
      ...[
        "reading",
        "loading",
        "begun",
        "evaluating",
        "evaluation",
        "step",
        "evaluating",
        "evaluation",
        "saved",
      ],
      ...["step", "evaluating", "evaluation", "saved"],
    ]);
  });
});

describe("half precision", () => {
  it("halves the loss scale until gradients fit, and counts no update meanwhile", async () => {
    const halved = await tinyTrainingGraph(named(""), { lossScale: true });
    const [half, full] = [
      await train({ steps: 12, schedule: "constant", warmup: 0 }, halved),
      await train({ steps: 12 }),
    ];
    const scales = linesOf(half).flatMap(({ loss_scale }) =>
      typeof loss_scale === "number" ? [loss_scale] : [],
    );
    const overflows = linesOf(half).filter(({ grad_norm }) => grad_norm === null).length;
    expect(overflows).toBeGreaterThan(0);
    expect(overflows).toBeLessThan(8);
    expect(scales.at(-1)).toBe(65536 / 2 ** overflows);
    const losses = lossesOf(half);
    expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
    expect(lossesOf(full)).toHaveLength(12);
  });
});

describe("a folder", () => {
  it("is for one run, unless that goes on", async () => {
    const out = named(".run");
    await train({ out, steps: 1 });
    const before = filesIn(out);
    await expect(train({ out, steps: 1 })).rejects.toThrow(/TRAIN_OUT_USED.*\n.*found metrics\.jsonl/);
    expect(filesIn(out)).toEqual(before);
    await expect(train({ out: named(".none"), resume: true })).rejects.toThrow("TRAIN_RESUME_NOTHING");
  });

  it("is left alone while another process writes into it", async () => {
    const out = named(".run");
    await train({ out, steps: 1 });
    // The process that runs this test's process.
    writeFileSync(
      path.join(out, ".running"),
      newToken()
        .replace(`-${process.pid}-`, `-${process.ppid}-`)
        .replace(/-[0-9a-z]+-([0-9a-f]{12})$/, "-0-$1"),
    );
    await expect(train({ out, steps: 1, resume: true })).rejects.toThrow(/TRAIN_OUT_BUSY.*\n.*found process/);
    // It is of no use to go on with what is going on.
    await expect(train({ out, steps: 1 })).rejects.toThrow("TRAIN_OUT_BUSY");
    writeFileSync(path.join(out, ".running"), newToken().replace(`-${process.pid}-`, "-999999999-"));
    await train({ out, steps: 1, resume: true });
  });

  it("is not that of the model", async () => {
    const there = path.dirname(graph);
    const before = filesIn(there);
    await expect(train({ out: path.join(there, "."), steps: 1 })).rejects.toThrow("TRAIN_OUT_MODEL");
    expect(filesIn(there)).toEqual(before);
  });

  it("is refused where it cannot be made", async () => {
    writeFileSync(path.join(folder, "no-folder"), "");
    const out = path.join(folder, "no-folder/run");
    await expect(train({ out })).rejects.toThrow(/FILE_NOT_WRITABLE/);
    const nowhere = "/proc/none/run";
    if (existsSync("/proc")) await expect(train({ out: nowhere })).rejects.toThrow(/FILE_NOT_WRITABLE/);
  });

  it("is not left behind where nothing was trained", async () => {
    const out = named(".run");
    await expect(train({ out, data: [jsonl(named(".jsonl"), [{ title: "Emma" }])] })).rejects.toThrow(
      "TRAIN_DATA_LINE",
    );
    expect(existsSync(out)).toBe(false);
  });
});

describe("what goes wrong while it is trained", () => {
  it("ends where the loss is no number, says of which lines, and keeps the checkpoint before", async () => {
    const [word] = texts.slice(40, 41).map(({ text }) => text);
    const poisoned = jsonl(named(".jsonl"), [...texts.slice(0, 59), { text: "Box Hill" }]);
    const { openTokenizer } = await import("../../../runtime/generate/tokenizer.ts");
    const ids = new Set(openTokenizer(tokenizer).encode("Box Hill", false));
    for (const id of openTokenizer(tokenizer).encode(texts.map(({ text }) => text).join(" "))) ids.delete(id);
    const [poison = 0] = ids;
    const bad = await tinyTrainingGraph(named(""), { poison });
    const out = named(".run");
    const run = train(
      { out, data: [poisoned], packing: "pad", saveEvery: 1, keep: 100, evalSplit: 0, batch: 1 },
      bad,
    );
    const error = await run.then(
      () => null,
      (cause: unknown) => cause as Error,
    );
    const [, step] = /TRAIN_NOT_FINITE: the loss of step (\d+) is NaN/.exec(error?.message ?? "") ?? [];
    expect(word).toBeDefined();
    expect(error?.message).toContain(`found NaN, of ${poisoned} line 60`);
    const last = `step-${String(Number(step) - 1).padStart(6, "0")}.safetensors`;
    expect(error?.message).toContain(`the last checkpoint is ${path.join(out, "checkpoints", last)}`);
    expect(filesIn(path.join(out, "checkpoints")).at(-1)).toBe(last);
    expect(readFileSync(path.join(out, "index.html"), "utf8")).toMatch(
      />failed<[^]*<p class="reason">TRAIN_NOT_FINITE: the loss of step \d+ is NaN: training ends here; found NaN, of/,
    );
  });

  it.each([
    [
      "the evaluation behind a step is no number",
      { learningRate: 1e30 },
      "the evaluation loss of step 1 is NaN",
    ],
    [
      "an update is no number",
      { learningRate: 1e39, evalSplit: 0 },
      "the update of step 1 is -?(?:NaN|Infinity)",
    ],
  ])("ends where %s, and writes neither adapter nor checkpoint of it", async (_, options, message) => {
    const out = named(".run");
    await expect(train({ out, steps: 1, ...options })).rejects.toThrow(
      new RegExp(`TRAIN_NOT_FINITE: ${message}: training ends here[^]*there was no checkpoint yet`),
    );
    expect(filesIn(out).filter((file) => /adapter|step-/.test(file))).toEqual([]);
    expect(readFileSync(path.join(out, "metrics.jsonl"), "utf8")).not.toContain('"eval_loss":null');
  });

  it("goes on from metrics with an evaluation that found no number, and evaluates there again", async () => {
    const out = named(".run");
    const { files } = await train({ out, steps: 2 });
    const metrics = readFileSync(files.metrics, "utf8");
    const broken = metrics.replace(
      /("step":2.*"eval_loss":)[^,]*,"perplexity":[^,]*/,
      '$1null,"perplexity":null',
    );
    expect(broken).not.toBe(metrics);
    writeFileSync(files.metrics, broken);
    const { evaluation } = await train({ out, steps: 2, resume: true });
    expect(evaluation?.loss).toBeGreaterThan(0);
    expect(readFileSync(files.metrics, "utf8")).toBe(metrics);
  });

  it("ends where a checkpoint cannot be written, and names the one before", async () => {
    const out = named(".run");
    const block = (event: TrainEvent): void => {
      if (event.kind !== "saved" || event.step !== 2) return;
      rmSync(path.join(out, "checkpoints"), { recursive: true });
      writeFileSync(path.join(out, "checkpoints"), "in the way");
    };
    await expect(train({ out, steps: 6, saveEvery: 2, onEvent: block })).rejects.toThrow(
      /TRAIN_NOT_SAVED: step 4 cannot be kept.*\n[^]*the last checkpoint is .*step-000002/,
    );
  });

  it("passes over batches of which nothing is learned, and says so once", async () => {
    const long = Array.from({ length: 30 }, (_, i) => ({
      prompt: `${"It is a truth universally acknowledged that a prompt may be long. ".repeat(4)}${i} `,
      completion: "Yes.",
    }));
    const sink = new Sink();
    const options = {
      data: [jsonl(named(".jsonl"), long)],
      packing: "pack",
      batch: 1,
      length: 16,
      evalSplit: 0,
    } as const;
    const report = await train(options, graph, sink);
    const empty = linesOf(report).filter(({ tokens }) => tokens === 0);
    expect(empty.length).toBeGreaterThan(3);
    expect(empty.every(({ loss }) => loss === null)).toBe(true);
    expect(sink.diagnostics.map(({ code, what }) => [code, what.replace(/\(.*\)/, "(…)")])).toEqual([
      [
        "TRAIN_BATCH_UNLEARNED",
        `nothing is to be learned of the batch of step ${empty[0]?.["step"] ?? 0} (…): such steps are passed over`,
      ],
    ]);
  });
});

describe("what cannot be trained", () => {
  it("is sequences longer than the context", async () => {
    await expect(train({ length: 513 })).rejects.toThrow(
      /TRAIN_LENGTH.*\n {2}wanted a `length` of 512 at most, found 513/,
    );
  });

  it("is a graph that does not train, or does not sum gradients", async () => {
    await expect(train({ accumulate: 2 })).rejects.toThrow(
      /TRAIN_GRAPH.*\n.*found one that updates with every batch/,
    );
    const base = path.resolve(import.meta.dirname, "../../../samples/models/austen-llama/dynamo/model.onnx");
    await expect(train({}, base)).rejects.toThrow(/TRAIN_GRAPH.*\n.*found one that does not train/);
  });

  it("is a graph whose first values are not there, or of other shapes", async () => {
    const own = named("");
    const alone = await tinyTrainingGraph(own);
    const values = path.join(own, "model.adapters.safetensors");
    const other = await train({ steps: 1 });
    mkdirSync(own, { recursive: true });
    rmSync(values);
    await expect(train({}, alone)).rejects.toThrow(
      /TRAIN_VALUE_MISSING.*\n {2}at "model\.layers\.0\.mlp\.down_proj\.lora_A\.weight"/,
    );
    writeFileSync(values, readFileSync(other.files.adapter));
    await train({ steps: 1 }, alone);
  });

  it("is a tokenizer of another model", async () => {
    const { cpSync } = await import("node:fs");
    const strange = named(".tokenizer");
    cpSync(tokenizer, strange, { recursive: true });
    const file = path.join(strange, "tokenizer.json");
    const json = JSON.parse(readFileSync(file, "utf8")) as { model: { vocab: Record<string, number> } };
    json.model.vocab["one more"] = 5000;
    writeFileSync(file, JSON.stringify(json));
    await expect(train({ tokenizer: strange })).rejects.toThrow("TOKENIZER_VOCABULARY");
  });
});
