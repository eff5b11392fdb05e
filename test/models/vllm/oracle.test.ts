import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { runPasses, step } from "../../../compiler/pass/runner.ts";
import { parseModel } from "../../../compiler/text/parse.ts";
import { readSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { lowerPagedAttention } from "../../../passes/index.ts";
import { compare } from "../../../runtime/verify/compare.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../../runtime/session/tensor.ts";
import { storedTensor } from "../../runtime/oracle.ts";
import { runModel } from "../../support/run-model.ts";

const file = path.join(import.meta.dirname, "paged.safetensors");
const { tensors, metadata } = readSafetensors(file);
const results = ["output", "key_cache_out", "value_cache_out"];
/** The op's operands in its order; what a case has no tensor for is left out. */
const operands = [
  ...["query", "key", "value", "key_cache", "value_cache"],
  ...["cumulative_sequence_length", "past_seqlens", "block_table", "cos_cache", "sin_cache", "slot_mapping"],
];

/** A tensor of the oracle; the op's integers have 32 bits. */
function stored(name: string): HostTensor {
  const { dtype, dims, data } = storedTensor(file, name);
  return dtype === "int64" ? tensorFrom("int32", dims, (i) => Number(data[i])) : { dtype, dims, data };
}

function feedsOf(name: string): Tensors {
  const given = operands.filter((operand) => tensors.has(`${name}.${operand}`));
  return new Map(given.map((operand) => [operand, stored(`${name}.${operand}`)]));
}

/** A graph of the one node, with these operands and attributes. */
function graphOf(
  op: string,
  feeds: Tensors,
  attributes: Readonly<Record<string, number>>,
  opset = 17,
): string {
  const typed = [...feeds].map(
    ([name, { dtype, dims }]) => `${dtype}[${dims.map((_, i) => `${name}_${i}`).join(",")}] ${name}`,
  );
  const inputs = operands.map((name) => (feeds.has(name) ? name : `""`)).join(", ");
  const texts = Object.entries(attributes).map(([name, value]) => {
    const isFloat = name === "scale" || name === "softcap";
    return `${name} = ${isFloat && Number.isInteger(value) ? value.toFixed(1) : value}`;
  });
  return `<ir_version: 10, opset_import: ["" : ${opset}, "com.microsoft" : 1, "vllm" : 1]>
g (${typed.join(", ")}) => (float[T,W] output, float[N,S,K,D] key_cache_out, float[N,S,K,D] value_cache_out)
{
  ${results.join(", ")} = ${op} ${texts.length === 0 ? "" : `<${texts.join(", ")}>`} (${inputs.replace(/(, "")+$/, "")})
}
`;
}

function lower(text: string): ReturnType<typeof parseModel> {
  const model = parseModel(text);
  runPasses(model, [step(lowerPagedAttention)], new Sink());
  return model;
}

describe("a lowered PagedAttention computes what PyTorch computes", () => {
  it.each([...metadata.keys()])("%s", async (name) => {
    const attributes = JSON.parse(metadata.get(name) ?? "{}") as Record<string, number>;
    const feeds = feedsOf(name);
    const got = await runModel(lower(graphOf("com.microsoft.PagedAttention", feeds, attributes)), feeds);
    for (const result of results) {
      const [want, tensor] = [stored(`${name}.${result}`), got.get(result)];
      if (tensor === undefined) throw new Error(`no ${result}`);
      expect({ result, ...compare(want, tensor, 1e-5) }).toMatchObject({ result, same: true });
    }
  });
});

it("tokens behind the last sequence, which pad a batch, change nothing", async () => {
  const feeds = feedsOf("mixed");
  const padded: Tensors = new Map(
    [...feeds].map(([name, tensor]) => {
      if (!["query", "key", "value"].includes(name)) return [name, tensor];
      const [tokens = 0, width = 0] = tensor.dims;
      const at = (i: number): number => (i < tokens * width ? Number(tensor.data[i]) : 100);
      return [name, tensorFrom("float", [tokens + 2, width], at)];
    }),
  );
  const given = { num_heads: 2, kv_num_heads: 2 };
  const got = await runModel(lower(graphOf("com.microsoft.PagedAttention", padded, given)), padded);
  for (const result of results) {
    const want = stored(`mixed.${result}`);
    const { data } = got.get(result) ?? want;
    const head = tensorFrom("float", want.dims, (i) => Number(data[i]));
    expect({ result, ...compare(want, head, 1e-5) }).toMatchObject({ result, same: true });
  }
});

describe("what cannot be written with standard ops is refused", () => {
  const feeds = feedsOf("mixed");
  const given = { num_heads: 2, kv_num_heads: 2 };
  const without = (name: string): Tensors => new Map([...feeds].filter(([operand]) => operand !== name));

  it.each([
    [
      "an old opset",
      graphOf("com.microsoft.PagedAttention", feeds, given, 13),
      "opset 15 or later, found opset 13",
    ],
    [
      "heads that do not divide",
      graphOf("com.microsoft.PagedAttention", feeds, { num_heads: 3, kv_num_heads: 2 }),
      "found 3 and 2",
    ],
    ["heads that are not said", graphOf("vllm.unified_attention", feeds, {}), "found none and none"],
    ["no cache", graphOf("vllm.unified_attention", without("key_cache"), given), "found no key_cache"],
    [
      "no table",
      graphOf("com.microsoft.PagedAttention", without("block_table"), given),
      "found no block_table",
    ],
    [
      "rotary without tables",
      graphOf("com.microsoft.PagedAttention", feeds, { ...given, do_rotary: 1 }),
      "found no cos_cache",
    ],
    [
      "a narrower value head",
      graphOf("com.microsoft.PagedAttention", feeds, { ...given, v_head_size: 2 }),
      "wanted v_head_size 0, found 2",
    ],
  ])("%s", (_, text, message) => {
    expect(() => lower(text)).toThrow(message);
    expect(() => lower(text)).toThrow("PAGED_ATTENTION_UNSUPPORTED");
  });
});
