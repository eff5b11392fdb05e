import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { inspect } from "../../../compiler/compile/inspect.ts";
import type { InspectedNode } from "../../../compiler/compile/inspection.ts";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { nodesDeep } from "../../../compiler/ir/walk.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { newFamilies, samples } from "../../models/samples.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { copiesIn, findPartitioner, lessOf, partition } from "./cuda-stand-in.ts";

const folder = temporaryFolder();

/** Each memory, and each type. */
const ways = [
  { memory: "recompute", dtype: "fp16" },
  { memory: "selective", dtype: "fp32" },
  { memory: "none", dtype: "bf16" },
] as const;

const [LORA, SCALARLM, PATTENTION] = [
  { kind: "lora", settings: { rank: 2 } },
  { kind: "scalarlm", sites: "mlp", settings: { heads: 2, rank: 2 } },
  { kind: "pattention", sites: "attn", settings: { tokens: 3 } },
] as const;

/** All kinds in one graph; fewer where a model has no such sites. */
const kinds: readonly CompileOptions["entries"][] = [
  [LORA, SCALARLM, PATTENTION],
  [SCALARLM, PATTENTION],
];

/** Ops of float32 graphs that CUDA has in 16 bits only: what trains in fp16 or bf16 has them there. */
const IN_16_BITS = new Set(["com.microsoft::GroupQueryAttention", "com.microsoft::QMoE"]);

/** Its products take an op for which there is no gradient of the loss; see its refusal. */
const REFUSED = new Set(["families-llama2-quantized-dynamic"]);

/**
 * What is made on the host in front of all layers, numbers of tokens and of words: copied to the GPU, which nothing waits
 * for.
 */
const IN_FRONT = /^FromHost (?:labels_length|label_count|vocabulary|loss_divisor|last_token)$/;

/** Dense exports, of which nothing else is copied. The others have sizes that only a run tells. */
const DENSE =
  /^(?:austen-llama|families-(?:llama2|llama3|mistral|qwen2|qwen3|gemma2))-(?:dynamo|torchscript)$/;

interface Compiled {
  readonly sample: string;
  readonly way: string;
  readonly file: string;
}

async function compiled(): Promise<readonly Compiled[]> {
  const outputs: Compiled[] = [];
  for (const { name, file } of [...samples, ...newFamilies])
    for (const { memory, dtype } of ways) {
      if (REFUSED.has(name) || (dtype !== "fp32" && /fp16|bf16|paged/.test(name))) continue;
      const output = join(folder, name, `${memory}-${dtype}`, "model.onnx");
      const options = { input: file, output, weights: "link", train: { memory } } as const;
      await compileFirst({ ...options, ...(dtype === "fp32" ? {} : { dtype }) });
      outputs.push({ sample: name, way: `${memory}, ${dtype}`, file: output });
    }
  return outputs;
}

/** With all kinds of adapters that the model has sites for. */
async function compileFirst(options: CompileOptions): Promise<void> {
  for (const [i, entries] of kinds.entries())
    try {
      await compile({ ...options, ...(entries === undefined ? {} : { entries }) });
      return;
    } catch (error) {
      const isLast = i === kinds.length - 1;
      if (isLast || !(error instanceof TfcError) || error.code !== "SITE_EMPTY") throw error;
    }
}

function nodesOf(file: string): readonly InspectedNode[] {
  const { placement } = inspect(file, { for: "cuda" });
  if (placement === undefined || placement === null) throw new Error(`${file} is too large`);
  return placement.nodes;
}

/** onnxruntime writes CastLike as the Cast that it is. */
function isElsewhere({ op, provider }: InspectedNode): boolean {
  return provider !== "cuda" && op !== "CastLike";
}

let outputs: readonly Compiled[] = [];
beforeAll(async () => {
  outputs = await compiled();
}, 1_200_000);

describe("a training step runs on CUDA: forward, backward and optimizer", () => {
  it.each([...samples, ...newFamilies])("of $name, but for arithmetic on sizes", ({ name }) => {
    const own = outputs.filter(({ sample }) => sample === name);
    expect(own.length > 0).toBe(!REFUSED.has(name));
    for (const { way, file } of own) {
      const found = nodesOf(file).filter((node) => isElsewhere(node) && node.reason !== "shapes");
      const left = found.filter(({ op }) => !(way.endsWith("fp32") && IN_16_BITS.has(op)));
      expect({ way, left: left.map(({ op, reason }) => `${op}: ${reason ?? ""}`) }).toEqual({
        way,
        left: [],
      });
    }
  });
});

it("nothing is filled with bfloat16 before opset 20, which has no op for it", () => {
  const old = outputs.filter(({ sample, way }) => sample.endsWith("-torchscript") && way === "none, bf16");
  expect(old.length).toBeGreaterThan(0);
  for (const { file } of old) {
    const { model } = openModel(file, new Sink());
    expect(model.opsets.get("")).toBeLessThan(20);
    const graphs = [model.graph, ...[...model.functions.values()].map(({ body }) => body)];
    const filled = graphs.flatMap((graph) =>
      [...nodesDeep(graph)].filter(({ op }) => op === "ConstantOfShape"),
    );
    expect(filled.length).toBeGreaterThan(0);
    const types = filled.map(({ attributes }) => {
      const value = attributes.get("value");
      return value?.kind === "tensor" ? value.value.dtype : "float";
    });
    expect(types).not.toContain("bfloat16");
  }
});

const partitioner = findPartitioner();
const title = typeof partitioner === "string" ? ` (SKIPPED, ${partitioner})` : "";

(typeof partitioner === "string" ? describe.skip : describe)(
  `onnxruntime's own partitioner puts training steps where the table says${title}`,
  () => {
    let answer: ReturnType<typeof partition> | null = null;
    beforeAll(() => {
      if (typeof partitioner === "string") return;
      answer = partition(
        partitioner,
        outputs.map(({ file }) => file),
        { optimize: false },
      );
    }, 1_200_000);
    afterAll(() => {
      answer?.remove();
    });

    it.each([...samples, ...newFamilies])("of $name", ({ name }) => {
      outputs.forEach(({ sample, way, file }, i) => {
        const own = answer?.partitions[i];
        if (own === undefined) throw new Error(`nothing was said of ${file}`);
        if (sample !== name) return;
        expect({ way, error: own.error }).toEqual({ way, error: null });
        // A CastLike is a Cast then, and one of sizes is on the CPU.
        const predicted = nodesOf(file).flatMap(({ provider, op }) =>
          op === "CastLike" ? [{ op: "Cast" }] : provider === "cpu" ? [{ op }] : [],
        );
        expect({ way, unpredicted: lessOf(own.cpu, predicted) }).toEqual({ way, unpredicted: [] });
        if (!DENSE.test(name)) return;
        const copies = copiesIn(own.written).map((copy) => copy.replace("Memcpy", ""));
        expect({ way, copies: copies.filter((copy) => !IN_FRONT.test(copy)) }).toEqual({ way, copies: [] });
      });
    });
  },
);
