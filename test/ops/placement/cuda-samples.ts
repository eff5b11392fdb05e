import { join } from "node:path";
import { expect } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { inspect } from "../../../compiler/compile/inspect.ts";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import type { Sample } from "../../models/samples.ts";
import { copiesIn, lessOf, type Partition } from "./cuda-stand-in.ts";

const kinds: readonly Partial<CompileOptions>[] = [
  { adapter: "scalarlm", sites: "mlp", settings: { heads: 2, rank: 2 } },
  { adapter: "lora", settings: { rank: 2 } },
  { adapter: "pattention", sites: "attn", settings: { tokens: 3 } },
];

/** Without adapters, and each kind in each residence. */
const ways: readonly Partial<CompileOptions>[] = [
  { adapters: false },
  ...kinds.flatMap((kind) => [
    kind,
    { ...kind, residence: "inputs" as const },
    { ...kind, residence: "bank" as const, members: 2 },
  ]),
];

/** What layers have on the CPU, and what is copied for it. */
export interface Left {
  readonly layers: readonly string[];
  /** Makers of what is copied, in any layer. */
  readonly copies?: readonly string[];
}

/** Experts that get a part of the tokens: how many those are is known only when it is computed. */
const LEFT: Readonly<Record<string, Left>> = {
  // onnxruntime has neither on CUDA, so that all around them is copied.
  "families-llama2-quantized-dynamic": { layers: ["DynamicQuantizeLinear", "MatMulInteger"] },
  // The shape of keys of a latent, which their parts are written into.
  "new-families-deepseek-v3-dynamo": { layers: ["Concat"], copies: [] },
  // How many tokens an expert has.
  "new-families-deepseek-v2-transformers": {
    layers: ["Concat", "Mul", "Reshape"],
    copies: ["ToHost squeeze"],
  },
  "new-families-mixtral-transformers": { layers: ["Concat", "Mul", "Reshape"], copies: ["ToHost squeeze"] },
  "new-families-deepseek-v3-torchscript": { layers: ["Concat"], copies: [] },
  "new-families-qwen2-moe-torchscript": { layers: ["Concat", "Mul", "Unsqueeze"], copies: [] },
  "new-families-qwen3-moe-torchscript": { layers: ["Concat", "Mul", "Unsqueeze"], copies: [] },
  // Attention in plain ops, for its sinks.
  "new-families-gpt-oss-torchscript": { layers: ["Concat"], copies: [] },
  // States of convolutions; the position in what genai's builder writes.
  "new-families-lfm2-transformers": { layers: ["Add", "Reshape"] },
  "new-families-lfm2-moe-genai-int4": { layers: ["Cast", "Concat", "Squeeze"] },
};

/** A sample compiled for CUDA in one way. */
export interface Compiled {
  readonly sample: string;
  readonly way: string;
  readonly file: string;
}

/**
 * Samples compiled for CUDA in every way, in half precision.
 *
 * @param how options for all of them
 */
export async function compiledForCuda(
  folder: string,
  of: readonly Sample[],
  how: Partial<CompileOptions> = {},
): Promise<readonly Compiled[]> {
  const outputs: Compiled[] = [];
  for (const { name, file } of of) {
    for (const options of ways) {
      const way = `${options.adapter ?? "no"} ${options.residence ?? "baked"}`;
      const output = join(folder, name, way.replace(" ", "-"), "model.onnx");
      try {
        await compile({ input: file, output, for: "cuda", ...half(name), ...how, ...options });
        outputs.push({ sample: name, way, file: output });
      } catch (error) {
        // A sample that has no such sites.
        if (!(error instanceof TfcError) || error.code !== "SITE_EMPTY") throw error;
      }
    }
  }
  return outputs;
}

/** What is in 16 bits already stays as it is. */
function half(name: string): Partial<CompileOptions> {
  return /fp16|bf16|paged/.test(name) ? {} : { dtype: "fp16" };
}

/** What is not as it should be in a graph that a partitioner has taken. */
interface Faults {
  readonly way: string;
  /** Why onnxruntime does not take it. */
  readonly error?: string;
  /** Ops of layers that are predicted to be elsewhere than on CUDA. */
  readonly layers?: readonly string[];
  /** Ops that the partitioner keeps on the CPU, and that were not predicted to be there. */
  readonly unpredicted?: readonly string[];
  /** Values copied between CPU and GPU that are neither the graph's inputs nor its outputs. */
  readonly copies?: readonly string[];
}

/** Null where there are none. */
function faultsOf({ way, file }: Compiled, { error, cpu, written }: Partition): Faults | null {
  if (error !== null) return { way, error };
  const { placement } = inspect(file, { for: "cuda" });
  if (placement === undefined || placement === null) throw new Error(`${file} is too large`);
  const off = placement.nodes.filter(({ provider }) => provider !== "cuda");
  const found = {
    layers: [...new Set(off.filter(({ layer }) => layer !== null).map(({ op }) => op))].sort(),
    unpredicted: lessOf(cpu, off),
    copies: copiesIn(written),
  };
  const faults = Object.entries(found).filter(([, list]) => list.length > 0);
  return faults.length === 0 ? null : { way, ...Object.fromEntries(faults) };
}

/**
 * Expects that a sample's graphs run on CUDA whole, but for what has no kernel there.
 *
 * @param answers where the nodes of all graphs went, each time they were partitioned
 * @param left what is elsewhere. Default: what every way of writing the sample leaves
 */
export function expectWhole(
  name: string,
  outputs: readonly Compiled[],
  answers: readonly { readonly partitions: readonly Partition[] }[],
  left: Left | undefined = LEFT[name],
): void {
  const found = answers.flatMap(({ partitions }) =>
    outputs.flatMap((output, i) => {
      const own = partitions[i];
      if (own === undefined) throw new Error(`nothing was said of ${output.file}`);
      const faults = output.sample === name ? faultsOf(output, own) : null;
      return faults === null ? [] : [faults];
    }),
  );
  if (left === undefined) expect(found).toEqual([]);
  else expectLeft(found, left);
}

/** In every way something of this is left, and in none something else. */
function expectLeft(found: readonly Faults[], { layers, copies }: Left): void {
  expect(found.length).toBeGreaterThan(0);
  for (const { layers: ops = [], copies: copied = [], error, unpredicted } of found) {
    expect([error, unpredicted]).toEqual([undefined, undefined]);
    expect(layers).toEqual(expect.arrayContaining([...ops]));
    if (copies !== undefined) expect(copies).toEqual(expect.arrayContaining(copied.map(makerOf)));
  }
}

/** `MemcpyToHost _inlfunc_Moe_token_1_squeeze_2_CUDAExecutionProvider` → `ToHost squeeze` */
function makerOf(copy: string): string {
  return copy.replace(/^Memcpy(\w+) _inlfunc_\w+?_(?:token_\d+_)?([a-z]+)(?:_\d+)?(?:_CUDA\w+)?$/, "$1 $2");
}
