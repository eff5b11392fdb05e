import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readPeftConfig } from "../../../compiler/weights/peft/config.ts";
import { peftTargets } from "../../../compiler/weights/peft/targets.ts";
import { ZipFile } from "../../../compiler/weights/torch/zip.ts";
import { ZipWriter } from "../../../compiler/weights/torch/zip-write.ts";
import { mutateBytes } from "../mutate-bytes.ts";
import { mutateFlatbuffer } from "../mutate-flatbuffer.ts";
import { mutatePickle } from "../mutate-pickle.ts";
import { mutateJson, mutateText } from "../mutate-text.ts";
import { mutateZip } from "../mutate-zip.ts";
import type { Random } from "../random.ts";
import { trip } from "../watch.ts";
import { jsonOf, readAll, samples, tests, type Mutate, type Target } from "./target.ts";

/** A file of one of some sources, changed. */
function fileTarget(name: string, sources: readonly string[], mutate: Mutate): Target {
  const target = `adapter${path.extname(sources[0] ?? "")}`;
  return {
    name,
    write: (folder, random) => {
      const bytes = readFileSync(random.of(sources) ?? "");
      writeFileSync(path.join(folder, target), mutate(bytes, random));
    },
    read: (folder) => {
      readAll(path.join(folder, target));
    },
  };
}

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

function filesOf(folder: string, extension: string): string[] {
  const names = readdirSync(path.join(tests, folder)).filter((name) => name.endsWith(extension));
  return names.map((name) => path.join(tests, folder, name));
}

const checkpoints = filesOf("weights/torch/files", ".pt").filter(
  (file) => !/(?:old|scripted)\.pt$/.test(file),
);

/** The pickle of an archive changed, the archive around it sound. */
function writeCheckpoint(
  target: string,
  random: Random,
  mutate: (bytes: Uint8Array, random: Random) => Uint8Array,
): void {
  const zip = new ZipFile(random.of(checkpoints) ?? "");
  const writer = new ZipWriter(target);
  for (const [entry, record] of zip.entries) {
    const bytes = zip.read(record);
    writer.add(entry, entry.endsWith("data.pkl") ? mutate(bytes, random) : bytes);
  }
  writer.end();
  writer.close();
}

const pickles: Target = {
  name: "torch-opcodes",
  write: (folder, random) => {
    writeCheckpoint(path.join(folder, "adapter.pt"), random, (bytes) =>
      mutatePickle(bytes, random, trip(folder)),
    );
  },
  read: (folder) => {
    readAll(path.join(folder, "adapter.pt"));
  },
};

const pickleBytes: Target = {
  ...pickles,
  name: "torch-pickle",
  write: (folder, random) => {
    writeCheckpoint(path.join(folder, "adapter.pt"), random, mutateBytes);
  },
};

const peft = ["plain", "patterns", "some-layers", "dora", "saved-modules"].map((name) =>
  path.join(samples, "peft", name),
);

/** A folder of PEFT's: its configuration changed, or its weights, which may be a pickle. */
function writePeft(folder: string, random: Random): void {
  const source = random.of(peft) ?? "";
  const config = readFileSync(path.join(source, "adapter_config.json"), "utf8");
  const json: unknown = JSON.parse(config);
  const text = random.once(4) ? mutateText(config, random) : jsonOf(mutateJson(json, random));
  writeFileSync(path.join(folder, "adapter_config.json"), random.once(8) ? config : text);
  if (random.once(8)) {
    writeCheckpoint(path.join(folder, "adapter_model.bin"), random, (bytes) =>
      mutatePickle(bytes, random, trip(folder)),
    );
    return;
  }
  const weights = readFileSync(path.join(source, "adapter_model.safetensors"));
  const isChanged = random.once(4);
  writeFileSync(
    path.join(folder, "adapter_model.safetensors"),
    isChanged ? mutateHeader(weights, random) : weights,
  );
}

function readPeft(folder: string): void {
  const targets = peftTargets(readPeftConfig(path.join(folder, "adapter_config.json")));
  targets.reasonAgainst("model.layers.0.self_attn.q_proj");
  targets.rankOf(`model.layers.0.${"a".repeat(40)}`);
  readAll(folder);
}

const trainerFolder: Target = {
  name: "trainer-folder",
  write: (folder, random) => {
    for (let n = random.below(4); n >= 0; n--) {
      const name = random.of(["checkpoint_1.pt", "checkpoint_2.pt", "checkpoint_2", "config.json", "x.pt"]);
      const target = path.join(folder, name);
      if (name === "checkpoint_2") mkdirSync(target, { recursive: true });
      else if (name.endsWith(".pt"))
        writeCheckpoint(target, random, (bytes) => mutatePickle(bytes, random, trip(folder)));
      else writeFileSync(target, "{}");
    }
  },
  read: readAll,
};

const adapters = (name: string): string => path.join(samples, "adapters", name);
const onnxAdapters = filesOf("weights/onnx-adapter/files", ".onnx_adapter");

/** Adapters, in every format. */
export const adapterTargets: readonly Target[] = [
  fileTarget(
    "safetensors-header",
    [adapters("lora.safetensors"), adapters("pattention.safetensors")],
    mutateHeader,
  ),
  fileTarget("safetensors-bytes", [adapters("scalarlm.safetensors")], mutateBytes),
  pickles,
  pickleBytes,
  fileTarget("torch-zip", checkpoints, mutateZip),
  fileTarget("torch-bytes", checkpoints, mutateBytes),
  trainerFolder,
  fileTarget("onnx-adapter", onnxAdapters, mutateBytes),
  fileTarget("onnx-adapter-structure", onnxAdapters, mutateFlatbuffer),
  { name: "peft-config", write: writePeft, read: readPeft },
];
