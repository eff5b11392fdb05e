import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compile } from "../../compiler/compile/compile.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { nodesDeep } from "../../compiler/ir/walk.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";
import { peftTargets } from "../../compiler/weights/peft/targets.ts";
import { readPeftConfig } from "../../compiler/weights/peft/config.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { ZipFile } from "../../compiler/weights/torch/zip.ts";
import { ZipWriter } from "../../compiler/weights/torch/zip-write.ts";
import { encodePlain } from "../onnx/encode.ts";
import { everything } from "../onnx/everything.ts";
import { bytesOf, tinyDecoder } from "../support/tiny-decoder.ts";
import { mutateBytes } from "./mutate-bytes.ts";
import { mutateProtobuf } from "./mutate-protobuf.ts";
import { mutateJson, mutateText } from "./mutate-text.ts";
import type { Random } from "./random.ts";

/** A kind of input. `write` makes one in a folder; `read` does with it what tfc does with such files. */
export interface Target {
  readonly name: string;
  readonly write: (folder: string, random: Random) => void;
  readonly read: (folder: string) => Promise<void> | void;
}

/** The repository: what is bundled knows its place no more. */
const repository = process.cwd();
const here = path.join(repository, "test/fuzz");
const samples = path.join(repository, "samples/models");

function seedFiles(): readonly Uint8Array[] {
  const folder = path.join(here, "seeds");
  const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
  return files.map((name) => readFileSync(path.join(folder, name)));
}

const models = (): readonly Uint8Array[] => [
  bytesOf(tinyDecoder()),
  Uint8Array.from(encodePlain("ModelProto", everything)),
  ...seedFiles(),
];

/** What is printed is read back, and printed the same: twice, since the first may differ in what text cannot say. */
function checkText(text: string): void {
  const again = printAgain(text);
  if (again !== text)
    throw new Error(`printed, read and printed again it differs:\n${firstDifference(text, again)}`);
}

/** What was printed is never refused: that would not be the file's fault. */
function printAgain(text: string): string {
  try {
    return printModel(parseModel(text));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const line = text.split("\n")[Number(/ at (\d+):/.exec(why)?.[1]) - 1] ?? "";
    throw new Error(`printed text is refused: ${why}\n${line.slice(0, 300)}`, { cause });
  }
}

function firstDifference(a: string, b: string): string {
  const [one, other] = [a.split("\n"), b.split("\n")];
  const at = one.findIndex((line, i) => line !== other[i]);
  return `${one[at] ?? ""}\n${other[at] ?? ""}`.slice(0, 600);
}

/** Whether a node reads a sparse initializer, which ONNX's syntax cannot write. */
function readsSparse(model: Model): boolean {
  return [...nodesDeep(model.graph)].some(({ inputs }) =>
    inputs.some((value) => value?.producer === null && value.constant === undefined && !value.isInput),
  );
}

async function readModel(folder: string): Promise<void> {
  const file = path.join(folder, "model.onnx");
  const { model } = openModel(file, new Sink());
  if (!readsSparse(model)) checkText(printModel(model));
  await compile({ input: file, output: path.join(folder, "out", "model.onnx"), settings: { rank: 1 } });
}

function readAll(file: string): void {
  const { parts, overrides } = readAdapter(file, { alpha: 1, heads: 1 });
  for (const { leaves } of parts) for (const leaf of leaves.values()) leaf.bytes();
  for (const weight of overrides.values()) weight.bytes();
}

function adapterTarget(name: string, source: string, mutate: Mutate): Target {
  const file = path.join(samples, source);
  const target = `adapter${path.extname(source)}`;
  return {
    name,
    write: (folder, random) => {
      writeFileSync(path.join(folder, target), mutate(readFileSync(file), random));
    },
    read: (folder) => {
      readAll(path.join(folder, target));
    },
  };
}

type Mutate = (bytes: Uint8Array, random: Random) => Uint8Array;

/** The JSON at the head of a safetensors file, changed as JSON, with a length that is right. */
function mutateHeader(bytes: Uint8Array, random: Random): Uint8Array {
  const length = Number(Buffer.from(bytes).readBigUInt64LE());
  const json: unknown = JSON.parse(Buffer.from(bytes).toString("utf8", 8, 8 + length));
  const text = Buffer.from(
    random.once(3) ? mutateText(JSON.stringify(json), random) : jsonOf(mutateJson(json, random)),
  );
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([head, text, bytes.subarray(8 + length)]);
}

/** Values may be undefined, which JSON is not. */
function jsonOf(value: unknown): string {
  return JSON.stringify([value]).slice(1, -1);
}

const checkpoint = path.join(here, "../weights/torch/files");

function checkpoints(): readonly string[] {
  return readdirSync(checkpoint).filter(
    (name) => name.endsWith(".pt") && name !== "old.pt" && name !== "scripted.pt",
  );
}

/** One record of an archive changed, the archive around it sound. */
function writeCheckpoint(folder: string, random: Random): void {
  const name = random.of(checkpoints()) ?? "";
  const zip = new ZipFile(path.join(checkpoint, name));
  const writer = new ZipWriter(path.join(folder, "adapter.pt"));
  for (const [entry, record] of zip.entries) {
    const bytes = zip.read(record);
    writer.add(entry, entry.endsWith("data.pkl") ? mutateBytes(bytes, random) : bytes);
  }
  writer.end();
  writer.close();
}

function writePeft(folder: string, random: Random): void {
  const source = path.join(samples, "peft", random.of(["plain", "patterns", "some-layers"] as const));
  const config = readFileSync(path.join(source, "adapter_config.json"), "utf8");
  const json: unknown = JSON.parse(config);
  const text = random.once(4) ? mutateText(config, random) : jsonOf(mutateJson(json, random));
  writeFileSync(path.join(folder, "adapter_config.json"), text);
  const weights = readFileSync(path.join(source, "adapter_model.safetensors"));
  writeFileSync(path.join(folder, "adapter_model.safetensors"), weights);
}

function readPeft(folder: string): void {
  const targets = peftTargets(readPeftConfig(path.join(folder, "adapter_config.json")));
  targets.reasonAgainst("model.layers.0.self_attn.q_proj");
  targets.rankOf(`model.layers.0.${"a".repeat(40)}`);
  readAll(folder);
}

function onnx(name: string, mutate: Mutate): Target {
  const seeds = models();
  return {
    name,
    write: (folder, random) => {
      mkdirSync(path.join(folder, "out"), { recursive: true });
      writeFileSync(path.join(folder, "model.onnx"), mutate(random.of(seeds) ?? new Uint8Array(0), random));
    },
    read: readModel,
  };
}

export function targets(): readonly Target[] {
  return [
    onnx("onnx-structure", mutateProtobuf),
    onnx("onnx-bytes", mutateBytes),
    {
      name: "onnx-text",
      write: (folder, random) => {
        const text = readFileSync(random.of(texts) ?? "", "utf8");
        writeFileSync(path.join(folder, "model.txt"), mutateText(text, random));
      },
      read: (folder) => {
        const model = parseModel(readFileSync(path.join(folder, "model.txt"), "utf8"));
        checkText(printModel(model));
      },
    },
    adapterTarget("safetensors-header", "adapters/lora.safetensors", mutateHeader),
    adapterTarget("safetensors-bytes", "adapters/scalarlm.safetensors", mutateBytes),
    {
      name: "torch-pickle",
      write: writeCheckpoint,
      read: (folder) => {
        readAll(path.join(folder, "adapter.pt"));
      },
    },
    {
      name: "torch-bytes",
      write: (folder, random) => {
        const bytes = readFileSync(path.join(checkpoint, random.of(checkpoints()) ?? ""));
        writeFileSync(path.join(folder, "adapter.pt"), mutateBytes(bytes, random));
      },
      read: (folder) => {
        readAll(path.join(folder, "adapter.pt"));
      },
    },
    {
      name: "onnx-adapter",
      write: (folder, random) => {
        const files = readdirSync(adapterFiles).filter((name) => name.endsWith(".onnx_adapter"));
        const bytes = readFileSync(path.join(adapterFiles, random.of(files) ?? ""));
        writeFileSync(path.join(folder, "adapter.onnx_adapter"), mutateBytes(bytes, random));
      },
      read: (folder) => {
        readAll(path.join(folder, "adapter.onnx_adapter"));
      },
    },
    { name: "peft-config", write: writePeft, read: readPeft },
  ];
}

const adapterFiles = path.join(here, "../weights/onnx-adapter/files");
const texts = ["austen-llama-dynamo.dump", "families-llama2-mobius.dump"].map((name) =>
  path.join(here, "../golden", name),
);
