import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { graphOf, styles } from "../../runtime/oracle.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, exports } from "../vllm/serving.ts";
import {
  apart,
  baseLogits,
  logitsOf,
  pagedLogitsOf,
  prompts,
  recorded,
  samples,
  TOLERANCE,
} from "./logits.ts";

const folder = temporaryFolder();

/** What the paper makes token-parameter attention of. */
const replace: CompileOptions["replace"] = [{ sites: "q_proj,k_proj,v_proj,o_proj,mlp" }];

interface Trained {
  /** Below samples/models. */
  readonly load: string;
  /** PyTorch's logits. */
  readonly logits: string;
  readonly options?: Partial<CompileOptions>;
  readonly report: Readonly<Record<string, unknown>>;
}

/** Adapters that training programs wrote. */
const trained: readonly Trained[] = [
  {
    load: "peft/plain",
    logits: "peft/plain/logits.safetensors",
    report: { kinds: { lora: 12 }, overrides: 0 },
  },
  {
    load: "peft/patterns",
    logits: "peft/patterns/logits.safetensors",
    report: { kinds: { lora: 42 }, overrides: 0 },
  },
  {
    load: "peft/some-layers",
    logits: "peft/some-layers/logits.safetensors",
    report: { kinds: { lora: 4 }, overrides: 0 },
  },
  {
    load: "peft/saved-modules",
    logits: "peft/saved-modules/logits.safetensors",
    report: { kinds: { lora: 6 }, overrides: 6 },
  },
  {
    load: "scalarlm",
    logits: "scalarlm/logits.safetensors",
    report: { kinds: { scalarlm: 6 }, overrides: 9 },
  },
  {
    load: "scalarlm/with-mlp-and-head.pt",
    logits: "scalarlm/logits_with_mlp_and_head.safetensors",
    report: { kinds: { scalarlm: 6 }, overrides: 12 },
  },
  ...["state_dict.safetensors", "state_dict.pt"].map((file) => ({
    load: `tokenformer/${file}`,
    logits: "tokenformer/logits.safetensors",
    options: { replace },
    report: { kinds: {}, adapters: 0, replaced: 30, overrides: 13 },
  })),
];

/** Compiles a graph with a trained adapter. */
async function compiled(name: string, input: string, { load, options, report }: Trained): Promise<string> {
  const output = path.join(folder, name, load, "model.onnx");
  const done = await compile({ input, output, load: [path.join(samples, load)], ...options });
  expect(done).toMatchObject({ attention: { matched: 6 }, mlp: { matched: 6 }, ...report });
  return output;
}

describe.each(styles)("the %s export", (style) => {
  it.each(trained)("computes PyTorch's logits with $load", async (one) => {
    const session = await openSession(await compiled(style, graphOf(style), one));
    for (const prompt of prompts) {
      const want = recorded(one.logits, prompt);
      expect(apart(await logitsOf(session, prompt), want, prompt)).toBeLessThan(TOLERANCE);
      expect(apart(baseLogits(prompt), want, prompt)).toBeGreaterThan(0.5);
    }
    await session.close();
  });
});

describe.each(exports)("the %s export of a serving engine", (name) => {
  it.each(trained)("computes PyTorch's logits with $load", async (one) => {
    const lowered = { ...one, options: { ...one.options, lowerPagedAttention: true } };
    const session = await openSession(await compiled(name, exportOf(name), lowered));
    for (const prompt of prompts) {
      const want = recorded(one.logits, prompt);
      expect(apart(await pagedLogitsOf(session, prompt), want, prompt)).toBeLessThan(TOLERANCE);
    }
    await session.close();
  });
});
