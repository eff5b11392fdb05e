import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import { verifyRecorded } from "../../../runtime/verify/recorded.ts";
import { makeFeeds } from "../../../runtime/session/feeds.ts";
import { openSession } from "../../../runtime/session/session.ts";
import type { HostTensor } from "../../../runtime/session/tensor.ts";
import { recorded, samples } from "../../models/adapted/logits.ts";
import { writeWeights } from "../../support/adapters.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { tfcHere } from "../../support/tfc.ts";
import { graphOf, oracleTensor } from "../oracle.ts";

const folder = temporaryFolder();
const base = graphOf("dynamo");
const peft = (name: string): string => path.join(samples, "peft", name);

/** A file of tensors, as a user would write it from PyTorch. */
function fileOf(name: string, tensors: Readonly<Record<string, HostTensor>>): Promise<string> {
  const weights = Object.entries(tensors).map(([key, { dtype, dims, data }]) => {
    if (Array.isArray(data)) throw new Error("strings");
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return [key, { dtype, shape: dims, bytes: () => bytes }] as const;
  });
  return writeWeights(path.join(folder, name), Object.fromEntries(weights));
}

/** What PyTorch computed of two rows, one of them padded, with an adapter. */
const truth = (adapter: string): Record<string, HostTensor> => ({
  input_ids: oracleTensor("padded_batch.0.input_ids"),
  attention_mask: oracleTensor("padded_batch.0.attention_mask"),
  position_ids: oracleTensor("padded_batch.0.position_ids"),
  logits: recorded(`peft/${adapter}/logits.safetensors`, "padded_batch"),
});

let trained: string;
let inputs: string;
beforeAll(async () => {
  trained = path.join(folder, "trained/model.onnx");
  await compile({ input: base, output: trained, load: [peft("plain")] });
  inputs = path.join(folder, "inputs/model.onnx");
  await compile({ input: base, output: inputs, load: [peft("plain")], residence: "inputs" });
});

describe("a graph of a row without padding beside what was recorded", () => {
  const ids = [5, 9, 12, 7].map(BigInt);
  const whole = (values: readonly bigint[]): HostTensor => ({
    dtype: "int64",
    dims: [1, values.length],
    data: BigInt64Array.from(values),
  });
  const inputsOf = (mask: readonly bigint[], first: bigint): Record<string, HostTensor> => ({
    input_ids: whole(ids),
    attention_mask: whole(mask),
    position_ids: whole(ids.map((_, i) => first + BigInt(i))),
  });
  let unpadded: string;
  let logits: HostTensor;
  beforeAll(async () => {
    unpadded = path.join(folder, "unpadded/model.onnx");
    await compile({ input: base, output: unpadded, adapters: false, batch: 1, unpadded: true });
    const session = await openSession(base);
    const feeds = makeFeeds(session, { batch: 1, sequence: 4, past: 0 });
    const results = await session.run(new Map([...feeds, ...Object.entries(inputsOf([1n, 1n, 1n, 1n], 0n))]));
    await session.close();
    logits = results.get("logits") ?? whole([]);
  });

  it("takes the mask and the positions of its base where they are of no padding", async () => {
    const file = await fileOf("open.safetensors", { ...inputsOf([1n, 1n, 1n, 1n], 0n), logits });
    expect((await verifyRecorded(unpadded, file)).map(({ same }) => same)).toEqual([true, true]);
  });

  it("refuses a mask that hides a token, and positions that begin elsewhere", async () => {
    const hidden = await fileOf("hidden.safetensors", { ...inputsOf([0n, 1n, 1n, 1n], 0n), logits });
    const moved = await fileOf("moved.safetensors", { ...inputsOf([1n, 1n, 1n, 1n], 3n), logits });
    await expect(verifyRecorded(unpadded, hidden)).rejects.toThrow(
      /LOGITS_FILE.*the graph takes a row without padding[^]*found 0 at 0 of attention_mask/,
    );
    await expect(verifyRecorded(unpadded, moved)).rejects.toThrow(
      /LOGITS_FILE[^]*found 3 at 0 of position_ids/,
    );
  });
});

describe("a compiled graph beside what PyTorch recorded", () => {
  it("agrees where the adapter is the same, but for padding", async () => {
    const logits = await fileOf("plain.safetensors", truth("plain"));
    const reports = await verifyRecorded(trained, logits);
    expect(reports.map(({ same, exact, optimizations }) => [optimizations, same, exact])).toEqual([
      ["off", true, false],
      ["all", true, false],
    ]);
    const fed = await verifyRecorded(inputs, logits, { load: peft("plain") });
    expect(fed.every(({ same }) => same)).toBe(true);
  });

  it("differs with another adapter, and with none", async () => {
    const logits = await fileOf("patterns.safetensors", truth("patterns"));
    for (const graph of [trained, base]) {
      const [off] = await verifyRecorded(graph, logits, { levels: ["off"] });
      expect(off?.same).toBe(false);
      expect(off?.maxAbs).toBeGreaterThan(0.1);
      expect(off?.worst?.output).toBe("logits");
    }
  });

  it("makes up what a file need not have: mask, positions, an empty cache", async () => {
    const { input_ids, logits } = {
      input_ids: oracleTensor("elinor.0.input_ids"),
      logits: recorded("peft/plain/logits.safetensors", "elinor"),
    };
    const file = await fileOf("short.safetensors", { input_ids, logits });
    expect((await verifyRecorded(trained, file)).every(({ same }) => same)).toBe(true);
  });

  it("runs a graph with shared caches as one with caches that grow", async () => {
    const shared = path.join(folder, "shared/model.onnx");
    const how = { input: base, load: [peft("plain")], for: "cpu", kv: "shared" } as const;
    await compile({ ...how, output: shared, maxLength: 64 });
    const whole = await fileOf("shared.safetensors", truth("plain"));
    expect((await verifyRecorded(shared, whole)).map(({ same }) => same)).toEqual([true, true]);
    const short = path.join(folder, "short/model.onnx");
    await compile({ ...how, output: short, maxLength: 2 });
    await expect(verifyRecorded(short, whole)).rejects.toThrow(
      /LOGITS_FILE[^]*longer than the graph's caches/,
    );
  });

  it("goes on from a recorded past in shared caches", async () => {
    const shared = path.join(folder, "past/model.onnx");
    await compile({
      ...{ input: base, output: shared, adapters: false },
      ...{ for: "cpu", kv: "shared", maxLength: 32 },
    });
    const session = await openSession(base);
    const feeds = makeFeeds(session, { batch: 2, sequence: 3, past: 7 });
    const results = await session.run(feeds);
    await session.close();
    const file = await fileOf("past.safetensors", Object.fromEntries([...feeds, ...results]));
    expect((await verifyRecorded(shared, file)).map(({ same }) => same)).toEqual([true, true]);
  });

  it("holds a graph of that many rows to it, and refuses one of another number", async () => {
    const logits = await fileOf("rows.safetensors", truth("plain"));
    const [two, three] = [2, 3].map((batch) => path.join(folder, `rows-${batch}/model.onnx`));
    const how = { input: base, load: [peft("plain")], for: "cpu" } as const;
    if (two === undefined || three === undefined) throw new Error("no paths");
    await compile({ ...how, output: two, batch: 2 });
    await compile({ ...how, output: three, batch: 3 });
    expect((await verifyRecorded(two, logits)).every(({ same }) => same)).toBe(true);
    await expect(verifyRecorded(three, logits)).rejects.toMatchObject({
      code: "LOGITS_FILE",
      diagnostics: [{ what: expect.stringContaining("another number of rows") as unknown, found: "2" }],
    });
  });

  it("refuses a file that does not fit the graph", async () => {
    const { input_ids, logits } = truth("plain");
    if (input_ids === undefined || logits === undefined) throw new Error("no truth");
    const wrong: readonly (readonly [string, Record<string, HostTensor>, string])[] = [
      ["stranger", { input_ids, logits, tokens: input_ids }, "a tensor is no input or output"],
      ["no-ids", { logits }, "the token ids are not there"],
      ["no-output", { input_ids }, "it has no output"],
    ];
    for (const [name, tensors, text] of wrong) {
      const file = await fileOf(`${name}.safetensors`, tensors);
      await expect(verifyRecorded(trained, file)).rejects.toMatchObject({
        code: "LOGITS_FILE",
        diagnostics: [{ what: expect.stringContaining(text) }],
      });
    }
    const short = { ...logits, dims: [1, 1, 4], data: new Float32Array(4) };
    const [report] = await verifyRecorded(
      trained,
      await fileOf("other.safetensors", { input_ids, logits: short }),
    );
    expect(report).toMatchObject({ same: false, maxAbs: null });
  });
});

describe("tfc verify --logits", () => {
  it("prints a table, and ends with status 1 where they differ", async () => {
    const good = await fileOf("good.safetensors", truth("plain"));
    const { status, stdout } = await tfcHere("verify", base, trained, "--logits", good);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^optimizations .*\noff .* equal within 1e-4\nall .* equal within 1e-4\n/);
    const bad = await fileOf("bad.safetensors", truth("patterns"));
    const differing = await tfcHere("verify", base, trained, "--logits", bad);
    expect(differing.status).toBe(1);
    expect(differing.stderr).toContain("error OUTPUTS_DIFFER");
    expect(differing.stderr).toContain("the same base and adapter");
    const strict = await tfcHere("verify", base, trained, "--logits", good, "--tolerance", "1e-9");
    expect(strict.status).toBe(1);
    const conflict = await tfcHere("verify", base, trained, "--logits", good, "--cases", "1x1");
    expect(conflict.stderr).toContain("OPTION_CONFLICT");
  });
});
