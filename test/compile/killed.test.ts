import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { importModel } from "../../compiler/onnx/import.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { openSession } from "../../runtime/session/session.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import { initializerOf, moveOut, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const root = temporaryFolder();
const script = path.resolve(import.meta.dirname, "../support/killed-at.mjs");

interface Ended {
  readonly killed: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs tfc in a process that dies before its n-th change to the file system; 0 lets it live. */
function killedAt(n: number, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, String(n), ...args], { stdio: "pipe" });
    const printed = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].on("data", (text) => (printed[stream] += String(text)));
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (status !== 0 && signal !== "SIGKILL") reject(new Error(printed.stderr));
      else resolve({ killed: signal === "SIGKILL", ...printed });
    });
  });
}

/** A base whose q_proj lies in a file beside it. */
function base(name: string, factor: number): string {
  const folder = path.join(root, name);
  mkdirSync(folder);
  const model = tinyDecoder();
  const head = initializerOf(model, "head");
  head.rawData = (head.rawData ?? new Uint8Array(0)).slice();
  const data = moveOut(model, "q_proj", { location: "weights.bin" });
  const weights = new Float32Array(data.slice().buffer).map((x) => x * factor);
  writeFileSync(path.join(folder, "weights.bin"), new Uint8Array(weights.buffer));
  return writeModel(folder, "model.onnx", model);
}

/** The bytes of all weights that a graph reads, in short. */
function weightsOf(file: string): string {
  const hash = createHash("sha256");
  for (const { name, constant } of importModel(file).model.graph.initializers)
    hash.update(`${name ?? ""} `).update(constant?.bytes() ?? "");
  return hash.digest("hex");
}

/** The settings and weights of a PEFT folder. */
function adapterIn(folder: string): string {
  const hash = createHash("sha256");
  for (const { settings, leaves } of readAdapter(folder).parts) {
    hash.update(JSON.stringify(settings));
    for (const [name, leaf] of leaves) hash.update(name).update(leaf.bytes());
  }
  return hash.digest("hex");
}

const hidden = (folder: string): string[] =>
  filesIn(folder).filter((name) => path.basename(name).startsWith("."));

interface Killing {
  readonly name: string;
  /** What is there before. */
  readonly before: string | null;
  readonly args: (output: string) => readonly string[];
  /** Asks what is there now: null for nothing that could be used. */
  readonly look: (folder: string) => Promise<string | null>;
}

/** Kills a command at each of its changes; after each, and after running it again, looks at what is there. */
async function killEverywhere({ name, before, args, look }: Killing): Promise<readonly (string | null)[]> {
  const start = (n: number): string => {
    const folder = path.join(root, `${name}-${n}`);
    mkdirSync(folder);
    if (before !== null) cpSync(before, folder, { recursive: true });
    return folder;
  };
  const whole = start(0);
  const { stdout } = await killedAt(0, args(whole));
  const total = Number(stdout.trim().split("\n").at(-1));
  const wanted = await look(whole);
  expect(total).toBeGreaterThan(10);
  const states = new Array<string | null>(total).fill(null);
  const at = async (n: number): Promise<void> => {
    const folder = start(n);
    expect(await killedAt(n, args(folder))).toMatchObject({ killed: true });
    states[n - 1] = await look(folder);
    expect(await tfcHere(...args(folder))).toMatchObject({ status: 0 });
    expect({ n, now: await look(folder), hidden: hidden(folder) }).toEqual({ n, now: wanted, hidden: [] });
    expect(filesIn(folder)).toEqual(filesIn(whole));
    rmSync(folder, { recursive: true });
  };
  for (let n = 1; n <= total; n++) await at(n);
  return [wanted, ...states];
}

/** A process for each change: milliseconds that this may take beside other work. */
const PATIENCE = 900_000;

describe("compile, killed at each of its changes to the file system", () => {
  let models: readonly string[];
  const flags = ["--sites", "mlp", "--adapter", "lora", "--rank", "2", "--weights", "copy"];
  const output = (folder: string): string => path.join(folder, "m.onnx");
  const loaded = new Set<string>();

  const look = async (folder: string): Promise<string | null> => {
    if (!existsSync(output(folder))) return null;
    const weights = weightsOf(output(folder));
    const bytes = readFileSync(output(folder));
    const key = `${weights} ${String(bytes.length)}`;
    if (!loaded.has(key)) await (await openSession(output(folder), { threads: 1 })).close();
    loaded.add(key);
    return weights;
  };

  beforeAll(() => {
    models = [base("one", 1), base("two", 2)];
  });

  it(
    "leaves nothing or a whole model where none was",
    async () => {
      const [model = ""] = models;
      const args = (folder: string): string[] => ["compile", model, "-o", output(folder), ...flags];
      const [wanted, ...states] = await killEverywhere({ name: "fresh", before: null, args, look });
      expect(new Set(states)).toEqual(new Set([null, wanted]));
    },
    PATIENCE,
  );

  it(
    "leaves the old model or the new one, and never the weights of one with the graph of the other",
    async () => {
      const [one = "", two = ""] = models;
      const old = path.join(root, "old");
      await killedAt(0, ["compile", one, "-o", output(old), ...flags]);
      const before = await look(old);
      const args = (folder: string): string[] => [
        "compile",
        two,
        "-o",
        output(folder),
        "--seed",
        "7",
        ...flags,
      ];
      const [wanted, ...states] = await killEverywhere({ name: "over", before: old, args, look });
      expect(before).not.toBe(wanted);
      // In this order: once the new one is there, it stays.
      const turn = states.indexOf(wanted ?? "");
      expect(turn).toBeGreaterThan(0);
      expect(new Set(states.slice(0, turn))).toEqual(new Set([before]));
      expect(new Set(states.slice(turn))).toEqual(new Set([wanted]));
    },
    PATIENCE,
  );
});

describe("a PEFT folder that replaces another one, killed at each change", () => {
  it(
    "never has the weights of one and the configuration of the other",
    async () => {
      const [one, two] = [1, 2].map((n) => path.join(root, `adapter-${n}`)) as [string, string];
      const model = base("of-adapters", 1);
      for (const [folder, rank] of [
        [one, "2"],
        [two, "4"],
      ] as const) {
        const output = path.join(root, `adapted-${rank}`, "m.onnx");
        await killedAt(0, [
          "compile",
          model,
          "-o",
          output,
          "--adapter",
          "lora",
          "--sites",
          "q_proj",
          "--rank",
          rank,
        ]);
        const made = output.replace(".onnx", ".adapters.safetensors");
        await killedAt(0, ["adapter", "export", made, "-o", folder, "--format", "peft"]);
      }
      const look = (folder: string): Promise<string | null> =>
        Promise.resolve(existsSync(path.join(folder, "adapter_config.json")) ? adapterIn(folder) : null);
      const args = (folder: string): string[] => ["adapter", "export", two, "-o", folder, "--format", "peft"];
      const [wanted, ...states] = await killEverywhere({ name: "peft", before: one, args, look });
      expect(new Set(states)).toEqual(new Set([await look(one), null, wanted]));
    },
    PATIENCE,
  );
});
