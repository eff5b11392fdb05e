import { existsSync } from "node:fs";
import path from "node:path";
import { compile, type CompileOptions, type CompileReport } from "../../../compiler/compile/compile.ts";
import { makeFeeds } from "../../../runtime/session/feeds.ts";
import { openSession } from "../../../runtime/session/session.ts";
import type { Tensors } from "../../../runtime/session/tensor.ts";
import { fromHalf } from "../../../compiler/weights/half.ts";
import { storedTensor } from "../../runtime/oracle.ts";
import { samples } from "./logits.ts";

const adapters = path.join(samples, "family-adapters");

/** The export of a family by an exporter: `llama2`, `genai-fp32`. */
export function exportOf(family: string, exporter: string): string {
  const name = path.join(`${family}-${exporter}`, "model.onnx");
  const found = ["families", "new-families"].map((folder) => path.join(samples, folder, name));
  return found.find((file) => existsSync(file)) ?? name;
}

/** genai leaves the width of heads open. */
const symbols: ReadonlyMap<string, number> = new Map([["kv_cache_dim", 16]]);

/** What is trained for a family: `llama2-wide`, `grown`. */
export function trainedFor(family: string, what: string): string {
  return path.join(adapters, `${family}-${what}`);
}

export interface Run {
  readonly report: CompileReport;
  /** The farthest logit from PyTorch's, by the largest of PyTorch's. */
  readonly apart: number;
}

/** Compiles an export with trained weights, and compares its logits with those that PyTorch has with them. */
export async function runWith(
  input: string,
  output: string,
  trained: string,
  options: Partial<CompileOptions> = {},
  feeds: Tensors = new Map(),
): Promise<Run> {
  const report = await compile({ input, output, load: [trained], ...options });
  return { report, apart: await logitsApart(output, trained, feeds) };
}

/** The farthest logit of a graph from PyTorch's with trained weights, by the largest of PyTorch's. */
export async function logitsApart(file: string, trained: string, more: Tensors = new Map()): Promise<number> {
  const reference = referenceIn(trained);
  const [ids, wanted] = ["input_ids", "logits"].map((name) => storedTensor(reference, name));
  if (ids === undefined || wanted === undefined) throw new Error(`no reference in ${trained}`);
  const [batch = 0, sequence = 0] = ids.dims;
  const session = await openSession(file);
  const feeds = new Map([
    ...makeFeeds(session, { batch, sequence, past: 0 }, { symbols }),
    ["input_ids", ids] as const,
    ...more,
  ]);
  const logits = (await session.run(feeds, ["logits"])).get("logits");
  await session.close();
  if (logits?.dims.join() !== wanted.dims.join())
    throw new Error(`logits of ${logits?.dims.join()} instead of ${wanted.dims.join()}`);
  let [farthest, largest] = [0, 0];
  const { dtype, data } = logits;
  for (let i = 0; i < wanted.data.length; i++) {
    const own = Number(data[i]);
    const [got, want] = [dtype === "float16" ? fromHalf(own) : own, Number(wanted.data[i])];
    farthest = Math.max(farthest, Number.isNaN(got) ? Infinity : Math.abs(got - want));
    largest = Math.max(largest, Math.abs(want));
  }
  return farthest / Math.max(1, largest);
}

/** Where PyTorch's logits with trained weights are. */
function referenceIn(trained: string): string {
  const files = ["reference.safetensors", "logits.safetensors"].map((name) => path.join(trained, name));
  return files.find((file) => existsSync(file)) ?? "";
}
