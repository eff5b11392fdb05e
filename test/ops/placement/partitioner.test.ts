import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { placementOf, type Placement } from "../../../compiler/ops/placement/placement.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { findPartitioner, partition, type Partition } from "./cuda-stand-in.ts";

const { onnx } = proto;
const folder = temporaryFolder();
const root = resolve(import.meta.dirname, "../../../samples/models");
const samples = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((file) => /[/\\]model\.onnx$/.test(file))
  .sort();

const kinds: readonly Partial<CompileOptions>[] = [
  { adapter: "scalarlm", sites: "mlp", settings: { heads: 2, rank: 2 } },
  { adapter: "lora", settings: { rank: 2 } },
  { adapter: "pattention", sites: "attn", settings: { tokens: 3 } },
];
const variants: readonly Partial<CompileOptions>[] = kinds.flatMap((kind) => [
  kind,
  { ...kind, residence: "inputs" },
  { ...kind, residence: "bank", members: 2 },
]);

/** Samples that are compiled in every way; the others in one, all ways in turn. */
const IN_ALL = /dynamo-fp16|genai-fp16|genai-paged|austen-llama.dynamo/;

interface Compiled {
  readonly base: string;
  readonly file: string;
}

async function compiled(): Promise<Compiled[]> {
  const outputs: Compiled[] = [];
  for (const [index, sample] of samples.entries()) {
    const [input, all] = [join(root, sample), IN_ALL.test(sample)];
    const lowered = /bf16|genai|mobius/.test(sample) ? [] : [{ adapters: false, for: "cuda" } as const];
    const adapted = variants.filter((_, i) => all || i === index % variants.length);
    for (const [i, options] of [...lowered, ...adapted].entries()) {
      const file = join(folder, sample, String(i), "model.onnx");
      try {
        await compile({ input, output: file, ...options });
        outputs.push({ base: input, file });
      } catch (error) {
        // A sample that has no such sites.
        if (!(error instanceof TfcError) || error.code !== "SITE_EMPTY") throw error;
      }
    }
  }
  return outputs;
}

function counts(names: readonly string[]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const name of [...names].sort()) found[name] = (found[name] ?? 0) + 1;
  return found;
}

function predicted({ nodes, copies }: Placement) {
  const on = (provider: string): readonly string[] =>
    nodes.filter((one) => one.provider === provider).map(({ node }) => node.node.opType);
  return {
    nowhere: nodes.filter(({ provider }) => provider === null).map(({ node }) => node.op),
    cuda: counts(on("cuda")),
    cpu: counts(on("cpu")),
    copies: { in: copies.in.length, out: copies.out.length },
  };
}

function found({ cuda, cpu, written }: Partition) {
  const ops = opsIn(onnx.ModelProto.decode(readFileSync(written)).graph);
  const count = (name: string): number => ops.filter((op) => op === name).length;
  const copies = { in: count("MemcpyFromHost"), out: count("MemcpyToHost") };
  return { nowhere: [], cuda: counts(cuda), cpu: counts(cpu), copies };
}

/** Op types of a graph and of those inside it. */
function opsIn(graph: proto.onnx.IGraphProto | null | undefined): readonly string[] {
  return (graph?.node ?? []).flatMap(({ opType, attribute }) => [
    opType ?? "",
    ...(attribute ?? []).flatMap(({ g }) => opsIn(g)),
  ]);
}

const predict = (file: string): Placement => {
  const placement = placementOf(openModel(file, new Sink()).model, "cuda");
  if (placement === null) throw new Error(`${file} is too large`);
  return placement;
};

const partitioner = findPartitioner();
const title = typeof partitioner === "string" ? ` (SKIPPED, ${partitioner})` : "";

(typeof partitioner === "string" ? describe.skip : describe)(
  `what is predicted is what onnxruntime's CUDA partitioner does${title}`,
  () => {
    let outputs: readonly Compiled[] = [];
    let partitions: ReadonlyMap<string, Partition> = new Map();
    let remove = (): void => undefined;
    beforeAll(async () => {
      if (typeof partitioner === "string") return;
      outputs = await compiled();
      const files = [...samples.map((file) => join(root, file)), ...outputs.map(({ file }) => file)];
      const answer = partition(partitioner, files, { optimize: false });
      remove = answer.remove;
      partitions = new Map(answer.partitions.map((one) => [one.file, one]));
    }, 600_000);
    afterAll(() => {
      remove();
    });

    it.each(samples)("of %s", (sample) => {
      const base = join(root, sample);
      const files = [base, ...outputs.filter((one) => one.base === base).map(({ file }) => file)];
      for (const file of files) {
        const one = partitions.get(file);
        if (one === undefined) throw new Error(`nothing was said of ${file}`);
        expect({ file, error: one.error }).toEqual({ file, error: null });
        expect({ file, ...predicted(predict(file)) }).toEqual({ file, ...found(one) });
      }
    });

    it("of hundreds of graphs, adapters of each kind and residence in them", () => {
      expect(partitions.size).toBeGreaterThan(180);
    });
  },
);

/** What exporters write shapes of, and onnxruntime computes on the CPU on purpose. */
const SHAPE_OPS: readonly string[] = ["Gather", "Concat"];
const halves = ["llama2-genai-fp16", "phi3-genai-fp16", "llama2-genai-paged", "llama2-dynamo-fp16"];

(typeof partitioner === "string" ? describe.skip : describe)(
  `adapters in float16 run on CUDA, as onnxruntime rewrites the graph${title}`,
  () => {
    it.each(halves)("beside %s", async (name) => {
      if (typeof partitioner === "string") return;
      const input = join(root, "families", name, "model.onnx");
      const files = [input];
      for (const [i, options] of variants.entries()) {
        const output = join(folder, "halves", name, String(i), "model.onnx");
        await compile({ input, output, ...options });
        files.push(output);
      }
      const { partitions, remove } = partition(partitioner, files, { optimize: true });
      const [base, ...adapted] = partitions.map((one) => ({ error: one.error, ...found(one) }));
      remove();
      if (base === undefined) throw new Error("nothing was said of the base");
      expect(adapted).toHaveLength(variants.length);
      for (const [i, one] of adapted.entries()) {
        const added = Object.keys(one.cpu).filter((op) => (one.cpu[op] ?? 0) > (base.cpu[op] ?? 0));
        expect([variants[i], added.filter((op) => !SHAPE_OPS.includes(op))]).toEqual([variants[i], []]);
        expect([variants[i], one.error, one.copies]).toEqual([variants[i], null, base.copies]);
        const count = (all: Readonly<Record<string, number>>): number =>
          Object.values(all).reduce((sum, n) => sum + n, 0);
        expect(count(one.cuda)).toBeGreaterThan(count(base.cuda));
      }
    });
  },
);
