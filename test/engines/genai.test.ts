import { cpSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom, type HostTensor } from "../../runtime/session/tensor.ts";
import { WINDOW, windowed } from "../runtime/model/graphs.ts";
import { graphOf } from "../runtime/oracle.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";

const root = temporaryFolder();
const samples = path.resolve("samples/models");
const austen = path.join(samples, "austen-llama");
const sample = (name: string): string => path.join(samples, name, "model.onnx");
/** A folder that says how long a text may be and how it ends, and nothing else. */
const settings = mkdtempSync(path.join(root, "settings-"));
writeFileSync(
  path.join(settings, "config.json"),
  JSON.stringify({ max_position_embeddings: 64, eos_token_id: 1 }),
);

function fresh(): string {
  return mkdtempSync(path.join(root, "genai-"));
}

async function compiled(base: string, ...flags: readonly string[]): Promise<string> {
  const output = path.join(fresh(), "model.onnx");
  const { status, stderr } = await tfcHere("compile", base, "-o", output, ...flags);
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  return output;
}

interface Config {
  readonly model: {
    readonly type: string;
    readonly context_length: number;
    readonly vocab_size: number;
    readonly eos_token_id: number | readonly number[];
    readonly pad_token_id: number;
    readonly bos_token_id?: number;
    readonly decoder: Readonly<Record<string, unknown>>;
  };
  readonly search: Readonly<Record<string, unknown>>;
}

async function packaged(model: string, tokenizer: string, ...flags: readonly string[]) {
  const folder = fresh();
  const args = ["package", model, "--genai", folder, "--tokenizer", tokenizer, ...flags];
  const { status, stdout, stderr } = await tfcHere(...args);
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  const config = JSON.parse(readFileSync(path.join(folder, "genai_config.json"), "utf8")) as Config;
  return { folder, config, stdout, stderr };
}

describe("a package", () => {
  it("says which layers keep a window alone, and that caches are written in place", async () => {
    const own = fresh();
    const known = { max_position_embeddings: 64, eos_token_id: 1, head_dim: 16 };
    writeFileSync(path.join(own, "config.json"), JSON.stringify(known));
    const { config } = await packaged(await compiled(await windowed(own), "--no-adapters"), own);
    expect(config.model.decoder["sliding_window"]).toEqual({
      ...{ window_size: WINDOW, layers: [0], cache_slack: 0 },
      ...{ slide_key_value_cache: false, slide_inputs: false },
    });
    expect(config.search["past_present_share_buffer"]).toBe(true);
  });

  it("says what graph and configuration say, and links the weights", async () => {
    const { folder, config } = await packaged(graphOf("dynamo"), austen);
    expect(config.model).toEqual({
      type: "llama",
      bos_token_id: 1,
      eos_token_id: 2,
      pad_token_id: 0,
      context_length: 512,
      vocab_size: 2048,
      decoder: {
        session_options: { log_id: "onnxruntime-genai", provider_options: [] },
        filename: "model.onnx",
        ...{ head_size: 32, hidden_size: 128 },
        ...{ num_attention_heads: 4, num_hidden_layers: 6, num_key_value_heads: 2 },
        inputs: {
          ...{ input_ids: "input_ids", attention_mask: "attention_mask", position_ids: "position_ids" },
          past_key_names: "past_key_values.%d.key",
          past_value_names: "past_key_values.%d.value",
        },
        outputs: {
          logits: "logits",
          present_key_names: "present.%d.key",
          present_value_names: "present.%d.value",
        },
      },
    });
    expect(config.search).toMatchObject({
      ...{ do_sample: false, max_length: 512, temperature: 0.8, top_k: 50, past_present_share_buffer: false },
    });
    const data = path.join(folder, "model.onnx.data");
    expect(statSync(data).ino).toBe(statSync(`${graphOf("dynamo")}.data`).ino);
    expect(filesIn(folder)).toContain("tokenizer.json");
  });

  it("has one buffer for past and present where the graph has", async () => {
    const flags = [
      "--no-adapters",
      "--for",
      "cuda",
      "--dtype",
      "fp16",
      "--kv",
      "shared",
      "--max-length",
      "96",
    ];
    const { config, stdout } = await packaged(await compiled(graphOf("dynamo"), ...flags), austen);
    expect(config.model.context_length).toBe(96);
    expect(config.search).toMatchObject({ max_length: 96, past_present_share_buffer: true });
    expect(config.model.decoder["session_options"]).toMatchObject({ provider_options: [{ cuda: {} }] });
    expect(stdout).toMatch(/^cache {4}one buffer, written in place$/m);
  });

  it("takes sizes that the graph's inputs do not say from its attention", async () => {
    const { config } = await packaged(sample("families/llama2-genai-fp32"), settings);
    expect(config.model.decoder).toMatchObject({
      head_size: 16,
      num_key_value_heads: 2,
      num_attention_heads: 4,
    });
    expect(config.model).toMatchObject({ type: "decoder", eos_token_id: 1, pad_token_id: 1 });
  });

  it("takes a folder for the model in it, and lies in that folder where it is asked to", async () => {
    const folder = fresh();
    cpSync(path.dirname(graphOf("dynamo")), folder, { recursive: true });
    for (const name of ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
      cpSync(path.join(austen, name), path.join(folder, name));
    const before = statSync(path.join(folder, "model.onnx")).ino;
    const { status, stdout } = await tfcHere("package", folder, "--genai", folder, "--json");
    expect(status).toBe(0);
    const { files } = JSON.parse(stdout) as { readonly files: readonly string[] };
    expect(files).toEqual([path.join(folder, "genai_config.json")]);
    expect(statSync(path.join(folder, "model.onnx")).ino).toBe(before);
  });
});

it("caches whose names follow no pattern are renamed, and the graph is the same else", async () => {
  const base = sample("families/llama2-torchscript");
  const model = path.join(fresh(), "model.onnx");
  // One letter more in one of the names: "key" of layer 1 is no longer where that of layer 0 is.
  const bytes = readFileSync(base)
    .toString("latin1")
    .replaceAll("past_key_values.1.key", "past_key_valueX.1.key");
  writeFileSync(model, Buffer.from(bytes, "latin1"));
  const { folder, stderr } = await packaged(model, settings);
  expect(stderr).toContain("note PACKAGE_RENAMED");
  const [before, after] = [await openSession(base), await openSession(path.join(folder, "model.onnx"))];
  expect(after.inputs).toEqual(before.inputs);
  expect(after.outputs).toEqual(before.outputs);
  const feeds = feedsFor(before.inputs, [[3, 1, 4, 1, 5]], [5]);
  expect((await after.run(feeds)).get("logits")).toEqual((await before.run(feeds)).get("logits"));
  await Promise.all([before.close(), after.close()]);
});

describe("logits of chosen positions", () => {
  it("are those of each row's own last token, behind which genai pads", async () => {
    const base = graphOf("dynamo");
    const model = await compiled(base, "--no-adapters", "--logit-rows");
    const { folder, stderr } = await packaged(model, austen);
    expect(stderr).not.toContain("PACKAGE_LAST_LOGITS");
    const [all, last] = [await openSession(base), await openSession(path.join(folder, "model.onnx"))];
    expect(last.inputs.map(({ name }) => name)).toEqual(all.inputs.map(({ name }) => name));
    expect(last.outputs.find(({ name }) => name === "logits")?.dims[1]).toBe(1);
    const lengths = [5, 2];
    const feeds = feedsFor(
      all.inputs,
      [
        [3, 1, 4, 1, 5],
        [9, 2, 0, 0, 0],
      ],
      lengths,
    );
    const [whole, some] = [(await all.run(feeds)).get("logits"), (await last.run(feeds)).get("logits")];
    for (const [row, length] of lengths.entries())
      expect(distance(rowOf(some, row), rowOf(whole, row * 5 + length - 1))).toBeLessThan(1e-4);
    await Promise.all([all.close(), last.close()]);
  });

  it("need no warning where there is one row, and of several rows the package says how many", async () => {
    const one = await compiled(graphOf("dynamo"), "--no-adapters", "--last-logits", "--batch", "1");
    const first = await packaged(one, austen);
    expect(first.stderr).not.toContain("PACKAGE_LAST_LOGITS");
    expect(first.stderr).not.toContain("PACKAGE_ROWS");
    const two = await packaged(await compiled(graphOf("dynamo"), "--no-adapters", "--batch", "2"), austen);
    expect(two.stderr).toContain("note PACKAGE_ROWS");
    expect(two.stderr).toContain("set_search_options(batch_size=2)");
  });

  it("are compared with as many of another graph, or said to be fewer", async () => {
    const base = graphOf("dynamo");
    const { folder } = await packaged(await compiled(base, "--no-adapters", "--logit-rows"), austen);
    const { status, stderr } = await tfcHere("verify", base, path.join(folder, "model.onnx"));
    expect(status).toBe(1);
    expect(stderr).toContain("error OUTPUTS_DIFFER");
    expect(stderr).toContain("fix: give two graphs that compute as much of each output");
  });

  it("are the last position's where their number was an input, of which a warning tells", async () => {
    const model = await compiled(graphOf("dynamo"), "--no-adapters", "--last-logits");
    const { folder, stderr } = await packaged(model, austen);
    expect(stderr).toContain("warning PACKAGE_LAST_LOGITS");
    expect(stderr).toContain("compile with --logit-rows");
    const inPlace = ["package", model, "--genai", path.dirname(model), "--tokenizer", austen];
    const { status, stderr: refusal } = await tfcHere(...inPlace);
    expect(status).toBe(1);
    expect(refusal).toContain("error OUTPUT_IS_INPUT");
    expect(refusal).toContain("fix: choose another --genai");
    const session = await openSession(path.join(folder, "model.onnx"));
    expect(session.outputs.find(({ name }) => name === "logits")?.dims).toEqual(["batch_size", 1, 2048]);
    await session.close();
  });
});

describe("adapters", () => {
  it("as inputs are told of", async () => {
    const model = await compiled(graphOf("dynamo"), "--adapters", "inputs", "--sites", "mlp@0");
    const { stderr } = await packaged(model, austen);
    expect(stderr).toContain("note PACKAGE_ADAPTER_INPUTS: 3 inputs are of an adapter");
    expect(stderr).toContain("with --adapters optional-inputs the graph also runs without");
  });

  it("of a bank are chosen by an input that is named", async () => {
    const flags = ["--adapters", "bank", "--members", "2", "--sites", "mlp@0"];
    const { stderr } = await packaged(await compiled(graphOf("dynamo"), ...flags), austen);
    expect(stderr).toContain('note PACKAGE_MEMBER_INPUT: "adapter_ids" chooses');
  });
});

describe("what genai cannot run is refused", () => {
  it.each([
    ["families/llama2-genai-paged", "its tokens are flat"],
    ["families/llama2-mobius-static", "it keeps keys and values apart"],
    ["new-families/deepseek-v2-mobius", "it keeps layer 0 otherwise"],
    ["new-families/lfm2-transformers", "it keeps keys and values apart"],
  ])("%s", async (name, why) => {
    const message = await refused(root, "package", sample(name), "--genai", path.join(root, "none"));
    expect(message).toContain(`error PACKAGE_REFUSED: onnxruntime-genai cannot run this graph: ${why}`);
  });

  it("a graph that generates by itself", async () => {
    const model = await compiled(graphOf("dynamo"), "--no-adapters", "--decode-loop");
    const args = ["--genai", path.join(root, "none"), "--tokenizer", austen];
    const message = await refused(root, "package", model, ...args);
    expect(message).toContain("onnxruntime-genai cannot run this graph: it generates by itself");
    expect(message).toContain("compile the base model without --decode-loop");
  });

  it("a tokenizer's path through a file", async () => {
    const args = ["--genai", path.join(root, "none"), "--tokenizer", `${graphOf("dynamo")}/x`];
    const message = await refused(root, "package", graphOf("dynamo"), ...args);
    expect(message).toContain("error FILE_NOT_FOUND");
  });

  it("where nothing says how long a text may be", async () => {
    const args = ["package", sample("families/llama2-dynamo"), "--genai", path.join(root, "none")];
    const message = await refused(root, ...args);
    expect(message).toContain(
      "error PACKAGE_SETTING_UNKNOWN: neither the graph nor a configuration says max_position",
    );
    expect(message).toContain("as --tokenizer, or give --max-length");
  });

  it("a configuration of another vocabulary", async () => {
    const folder = fresh();
    writeFileSync(path.join(folder, "config.json"), '{"max_position_embeddings": 64, "eos_token_id": 50256}');
    const args = ["--genai", path.join(root, "none"), "--tokenizer", folder];
    const message = await refused(root, "package", sample("families/llama2-dynamo"), ...args);
    expect(message).toContain("the configuration is of another vocabulary");
  });

  it("a configuration that is none", async () => {
    const folder = fresh();
    writeFileSync(path.join(folder, "config.json"), "[1, 2");
    const args = ["--genai", path.join(root, "none"), "--tokenizer", folder];
    const message = await refused(root, "package", sample("families/llama2-dynamo"), ...args);
    expect(message).toContain("error MODEL_CONFIG");
  });

  it("more tokens than a shared cache holds", async () => {
    const flags = ["--no-adapters", "--for", "cpu", "--kv", "shared", "--max-length", "32"];
    const model = await compiled(graphOf("dynamo"), ...flags);
    const args = ["--genai", path.join(root, "none"), "--tokenizer", austen, "--max-length", "64"];
    expect(await refused(root, "package", model, ...args)).toContain("at most 32");
  });

  it.each([
    ["the model's configuration says", graphOf("dynamo"), austen, "at most 512, the model's context"],
    [
      "tables of rotary embeddings have rows",
      sample("families/llama2-genai-fp32"),
      sample("families/llama2-genai-fp32"),
      "at most 64, the positions of the graph's rotary embeddings",
    ],
  ])("more tokens than %s", async (_, model, tokenizer, bound) => {
    const args = ["--genai", path.join(root, "none"), "--tokenizer", tokenizer, "--max-length", "513"];
    expect(await refused(root, "package", model, ...args)).toContain(bound);
  });
});

it("what is missing is told of: a tokenizer, and the end of a text", async () => {
  const args = ["--genai", fresh(), "--max-length", "32"];
  const { status, stderr } = await tfcHere("package", sample("families/llama2-dynamo"), ...args);
  expect(status).toBe(0);
  expect(stderr).toContain("warning PACKAGE_NO_TOKENIZER");
  expect(stderr).toContain("warning PACKAGE_NO_END");
});

describe("a tokenizer of bytes whose decoder looks like SentencePiece's", () => {
  const bytes = { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true };
  const replace = { type: "Replace", pattern: { String: "▁" }, content: " " };
  const decoders = [{ type: "ByteFallback" }, { type: "Fuse" }, replace, bytes];
  const tokenizer = (vocab: object): object => ({
    pre_tokenizer: bytes,
    decoder: { type: "Sequence", decoders },
    model: { type: "BPE", vocab, merges: [] },
  });

  function folderWith(vocab: object): string {
    const folder = mkdtempSync(path.join(root, "tokenizer-"));
    cpSync(path.join(settings, "config.json"), path.join(folder, "config.json"));
    writeFileSync(path.join(folder, "tokenizer.json"), JSON.stringify(tokenizer(vocab)));
    return folder;
  }

  it("is written as genai reads it", async () => {
    const { folder, stderr } = await packaged(sample("families/llama2-dynamo"), folderWith({ a: 0, Ġa: 1 }));
    expect(stderr).toContain("note PACKAGE_TOKENIZER_WRITTEN");
    const written = JSON.parse(readFileSync(path.join(folder, "tokenizer.json"), "utf8")) as object;
    expect(written).toEqual({ ...tokenizer({ a: 0, Ġa: 1 }), decoder: bytes });
  });

  it.each(["▁a", "<0x0A>"])("stays as it is where its vocabulary has %s", async (token) => {
    const from = folderWith({ a: 0, [token]: 1 });
    const { folder, stderr } = await packaged(sample("families/llama2-dynamo"), from);
    expect(stderr).not.toContain("PACKAGE_TOKENIZER");
    expect(readFileSync(path.join(folder, "tokenizer.json"))).toEqual(
      readFileSync(path.join(from, "tokenizer.json")),
    );
  });

  it("is not overwritten where the package lies in the model's folder", async () => {
    const folder = folderWith({ a: 0 });
    const before = readFileSync(path.join(folder, "tokenizer.json"), "utf8");
    cpSync(sample("families/llama2-dynamo"), path.join(folder, "model.onnx"));
    const { stderr } = await tfcHere("package", folder, "--genai", folder);
    expect(stderr).toContain("warning PACKAGE_TOKENIZER_DIFFERS");
    expect(readFileSync(path.join(folder, "tokenizer.json"), "utf8")).toBe(before);
  });
});

/** Tokens, mask and positions of rows padded behind, and empty caches. */
function feedsFor(
  inputs: readonly { readonly name: string; readonly dims: readonly (number | string)[] }[],
  rows: readonly (readonly number[])[],
  lengths: readonly number[],
): ReadonlyMap<string, HostTensor> {
  const width = rows[0]?.length ?? 0;
  const dims = [rows.length, width];
  const seen = (i: number): boolean => i % width < (lengths[Math.floor(i / width)] ?? 0);
  const known: Readonly<Record<string, (i: number) => number>> = {
    input_ids: (i) => rows.flat()[i] ?? 0,
    attention_mask: (i) => (seen(i) ? 1 : 0),
    position_ids: (i) => i % width,
  };
  return new Map(
    inputs.map((port) => {
      const of = known[port.name];
      if (of !== undefined) return [port.name, tensorFrom("int64", dims, of)];
      const [, heads = 1, , size = 1] = port.dims;
      return [port.name, tensorFrom("float", [rows.length, Number(heads), 0, Number(size)], () => 0)];
    }),
  );
}

function rowOf(tensor: HostTensor | undefined, row: number): readonly number[] {
  const width = tensor?.dims.at(-1) ?? 0;
  return Array.from({ length: width }, (_, i) => Number(tensor?.data[row * width + i]));
}

function distance(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((x, i) => Math.abs(x - (b[i] ?? NaN))));
}
