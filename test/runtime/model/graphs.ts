import { readFileSync } from "node:fs";
import path from "node:path";
import proto from "onnx-proto";
import { compile } from "../../../compiler/compile/compile.ts";
import { tinyDecoder, writeModel } from "../../support/tiny-decoder.ts";

/** The folder of sample models. */
export const samples = path.resolve(import.meta.dirname, "../../../samples/models");
const base = path.join(samples, "austen-llama/dynamo/model.onnx");
const sample = (name: string) => (): Promise<string> =>
  Promise.resolve(path.join(samples, name, "model.onnx"));

/** Writes a graph into a folder, where it is none of the samples'; its path. */
type Make = (folder: string) => Promise<string>;

/** A graph that is compiled from another. */
export const compiled =
  (input: string, options: Partial<Parameters<typeof compile>[0]>): Make =>
  async (folder) => {
    const output = path.join(folder, "model.onnx");
    await compile({ input, output, adapters: false, ...options });
    return output;
  };

/** The window of a sample's first layer, in positions. */
export const WINDOW = 4;

/** The graph of a sample whose first layer sees a window, with a cache of that window as onnxruntime-genai 0.18 has it. */
export const full = sample("families/gemma2-genai-fp32");
export const windowed: Make = async (folder) => {
  const { ModelProto } = proto.onnx;
  const model = ModelProto.decode(readFileSync(await full()));
  const attention = model.graph?.node?.find(({ opType }) => opType === "GroupQueryAttention");
  const window = attention?.attribute?.find(({ name }) => name === "local_window_size");
  if (Number(window?.i) !== WINDOW) throw new Error("the sample has another window");
  attention?.attribute?.push({
    name: "sliding_window_cache",
    type: proto.onnx.AttributeProto.AttributeType.INT,
    i: 1,
  });
  for (const { name, type } of [...(model.graph?.input ?? []), ...(model.graph?.output ?? [])]) {
    const dim = type?.tensorType?.shape?.dim?.[2];
    if (dim != null && /\.0\.(key|value)$/.test(name ?? "")) dim.dimParam = "past_sliding_length";
  }
  return writeModel(folder, "windowed.onnx", model);
};

/** Tokens that the shared caches have room for. */
export const ROOM = 64;

/** A graph of each way to keep what came before, and to share a run. */
export const graphs: Readonly<Record<string, Make>> = {
  "caches that grow, under a mask": sample("austen-llama/dynamo"),
  "caches that grow, attention as one op": compiled(base, { for: "cpu" }),
  "shared caches": compiled(base, { for: "cpu", kv: "shared", maxLength: ROOM }),
  "shared caches of one row": compiled(base, { for: "cpu", kv: "shared", maxLength: ROOM, batch: 1 }),
  "the last positions' logits": compiled(base, { lastLogits: "count" }),
  "the logits of listed positions": compiled(base, { lastLogits: "rows" }),
  pages: compiled(path.join(samples, "austen-llama/vllm/paged.onnx"), { lowerPagedAttention: true }),
  "pages with slots": compiled(path.join(samples, "austen-llama/vllm/opaque.onnx"), {
    lowerPagedAttention: true,
  }),
  "lengths, no positions": sample("families/llama2-genai-fp32"),
  "lengths in half precision": sample("families/llama2-genai-fp16"),
  "a cache of a window": windowed,
  "caches written by indices": sample("families/llama2-mobius-static"),
  "one row of caches written by indices": compiled(
    path.join(samples, "families/llama2-mobius-static/model.onnx"),
    { batch: 1 },
  ),
  "a sliding window": sample("families/gemma2-dynamo"),
  "state of convolutions": sample("new-families/lfm2-transformers"),
  "a mixture of experts": sample("new-families/mixtral-dynamo"),
  "no positions under a mask": sample("families/gemma3-torchscript"),
  "one scale for all rows": sample("families/llama2-quantized-dynamic"),
  "factors by the longest row": sample("families/phi3-longrope-dynamo"),
  "no cache": (folder) => Promise.resolve(writeModel(folder, "model.onnx", tinyDecoder())),
};
