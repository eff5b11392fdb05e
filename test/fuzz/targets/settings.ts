import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readConfig } from "../../../compiler/config/read.ts";
import { compile } from "../../../compiler/compile/compile.ts";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { ZipFile } from "../../../compiler/weights/torch/zip.ts";
import { ZipWriter } from "../../../compiler/weights/torch/zip-write.ts";
import { loadTokenizer } from "../../../runtime/generate/tokenizer.ts";
import { sizeOf } from "../../../runtime/session/tensor.ts";
import { readNpz } from "../../../runtime/verify/npz.ts";
import { bytesOf, tinyDecoder } from "../../support/tiny-decoder.ts";
import { mutateBytes } from "../mutate-bytes.ts";
import { mutateJson, mutateText } from "../mutate-text.ts";
import { mutateZip } from "../mutate-zip.ts";
import type { Random } from "../random.ts";
import { jsonOf, samples, tests, type Target } from "./target.ts";

const config = {
  adapters: [
    { kind: "scalarlm", sites: "mlp", settings: { rank: 2, heads: 1 } },
    { kind: "lora", sites: ["q_proj@0", "v_proj"], settings: { rank: 2, alpha: 4 } },
  ],
  replace: [{ sites: "up_proj@0-0", settings: { tokens: 4 } }],
  residence: "baked",
  members: 1,
  seed: 7,
  weights: "copy",
  strict: false,
};

function mutated(json: unknown, random: Random): string {
  if (random.once(4)) return mutateText(JSON.stringify(json), random);
  let value = json;
  for (let n = 1 + random.below(3); n > 0; n--) value = mutateJson(value, random);
  return jsonOf(value);
}

const configTarget: Target = {
  name: "tfc-config",
  writes: true,
  write: (folder, random) => {
    writeFileSync(path.join(folder, "tfc.config.json"), mutated(config, random));
    writeFileSync(path.join(folder, "model.onnx"), bytesOf(tinyDecoder()));
  },
  read: async (folder) => {
    const options = await readConfig(path.join(folder, "tfc.config.json"));
    await compile({
      ...options,
      input: path.join(folder, "model.onnx"),
      output: path.join(folder, "out.onnx"),
    });
  },
};

const tokenizerFiles = [
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
  "config.json",
] as const;
const tokenizers = path.join(samples, "austen-llama");

/** One of a tokenizer's files changed. */
const tokenizerTarget: Target = {
  name: "tokenizer",
  write: (folder, random) => {
    const chosen = random.once(2) ? "tokenizer.json" : random.of(tokenizerFiles);
    for (const name of tokenizerFiles) {
      const text = readFileSync(path.join(tokenizers, name), "utf8");
      writeFileSync(path.join(folder, name), name === chosen ? mutated(JSON.parse(text), random) : text);
    }
  },
  read: (folder) => {
    const tokenizer = loadTokenizer(folder);
    const ids = tokenizer.encode("It is a truth universally acknowledged, that  a \u{1f600} 12 man");
    tokenizer.decode([...ids, 0, 1, 1023]);
    tokenizer.decode(tokenizer.encode(""), true);
    if (tokenizer.stops.some((id) => !Number.isFinite(id))) throw new TfcError("internal", []);
  },
};

/** Recorded logits: the archive broken, an array's header, or an array's bytes. */
const npzTarget: Target = {
  name: "npz",
  write: (folder, random) => {
    const source = path.join(tests, "runtime/verify/npz", random.of(["stored.npz", "deflated.npz"]));
    const target = path.join(folder, "recorded.npz");
    const way = random.below(3);
    if (way === 0) writeFileSync(target, mutateZip(readFileSync(source), random));
    else
      rewriteZip(source, target, (bytes) =>
        way === 1 ? mutateHeader(bytes, random) : mutateBytes(bytes, random),
      );
  },
  read: (folder) => {
    for (const { dims, data } of readNpz(path.join(folder, "recorded.npz")).values())
      if (sizeOf(dims) !== data.length) throw new TfcError("internal", []);
  },
};

/** The text in front of an array's elements, with a length that is right. */
function mutateHeader(bytes: Uint8Array, random: Random): Uint8Array {
  const npy = Buffer.from(bytes);
  const start = 10;
  const end = start + npy.readUInt16LE(8);
  const text = Buffer.from(mutateText(npy.toString("latin1", start, end), random), "latin1");
  const head = Buffer.from(npy.subarray(0, start));
  head.writeUInt16LE(text.length & 0xffff, 8);
  return Buffer.concat([head, text, npy.subarray(end)]);
}

/** Copies an archive, each record changed. */
function rewriteZip(source: string, target: string, change: (bytes: Uint8Array) => Uint8Array): void {
  const zip = new ZipFile(source);
  const writer = new ZipWriter(target);
  for (const [name, entry] of zip.entries) writer.add(name, change(zip.read(entry)));
  writer.end();
  writer.close();
}

/** What says how or what was recorded, and holds no weights. */
export const settingsTargets: readonly Target[] = [configTarget, tokenizerTarget, npzTarget];
