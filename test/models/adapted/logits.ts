import path from "node:path";
import type { Session } from "../../../runtime/session/session.ts";
import type { HostTensor, Tensors } from "../../../runtime/session/tensor.ts";
import { emptyCache, largestDifference, oracleTensor, storedTensor } from "../../runtime/oracle.ts";
import { PagedRunner, type Step } from "../vllm/serving.ts";

/** The sample model's adapters. */
export const samples = path.resolve(import.meta.dirname, "../../../samples/models");

/** Inputs of the sample model that PyTorch's logits were recorded for, with each adapter. */
export const prompts = ["elinor", "padded_batch"] as const;
export type Prompt = (typeof prompts)[number];

/** What a model with an adapter may differ by from PyTorch, of logits of the order of 10. */
export const TOLERANCE = 1e-4;

/** What a graph's logits are for a prompt; `more` is what it takes of adapters. */
export async function logitsOf(
  session: Session,
  prompt: Prompt,
  more: Tensors = new Map(),
): Promise<HostTensor> {
  const given = ["input_ids", "attention_mask", "position_ids"].map(
    (part) => [part, oracleTensor(`${prompt}.0.${part}`)] as const,
  );
  const batch = oracleTensor(`${prompt}.0.input_ids`).dims[0] ?? 1;
  const results = await session.run(new Map([...given, ...emptyCache(session, batch), ...more]), ["logits"]);
  const logits = results.get("logits");
  if (logits === undefined) throw new Error("no logits");
  return logits;
}

/** What PyTorch computed for a prompt with an adapter. */
export function recorded(file: string, prompt: Prompt): HostTensor {
  return storedTensor(path.join(samples, file), `${prompt}.0.logits`);
}

/** What PyTorch computed for a prompt without any adapter. */
export function baseLogits(prompt: Prompt): HostTensor {
  return oracleTensor(`${prompt}.0.logits`);
}

/** The largest difference of logits for a prompt, at the tokens that are attended. */
export function apart(got: HostTensor, want: HostTensor, prompt: Prompt): number {
  return largestDifference(got, want, oracleTensor(`${prompt}.0.attention_mask`));
}

/** Some rows of a batch's logits and nothing of the others, as {@link apart} compares them: the others are the same. */
export function rowsFrom(choices: readonly HostTensor[]): HostTensor {
  const [first] = choices;
  if (first === undefined) throw new Error("no rows");
  const [rows = 0, ...rest] = first.dims;
  const size = rest.reduce((a, b) => a * b, 1);
  const data = new Float32Array(rows * size);
  choices.forEach((choice, row) => {
    data.set((choice.data as Float32Array).subarray(row * size, (row + 1) * size), row * size);
  });
  return { dtype: "float", dims: first.dims, data };
}

/** A prompt's attended tokens, row by row, as a serving engine has them. */
export function stepsOf(prompt: Prompt): readonly Step[] {
  const [ids, mask] = ["input_ids", "attention_mask"].map((part) => oracleTensor(`${prompt}.0.${part}`));
  const [rows = 0, length = 0] = ids?.dims ?? [];
  return Array.from({ length: rows }, (_, row): Step => {
    const at = Array.from({ length }, (_, i) => row * length + i).filter((i) => Number(mask?.data[i]) !== 0);
    return [`row ${row}`, at.map((i) => Number(ids?.data[i]))];
  });
}

/** A vLLM-style graph's logits for a prompt, laid out as PyTorch's are; zeros at padding. */
export async function pagedLogitsOf(
  session: Session,
  prompt: Prompt,
  more: Tensors = new Map(),
): Promise<HostTensor> {
  const whole: Session = {
    ...session,
    run: (feeds, fetch) => session.run(new Map([...(feeds as Tensors), ...more]), fetch),
  };
  const found = await new PagedRunner(whole, 4, 32).run(stepsOf(prompt));
  const { dims } = baseLogits(prompt);
  const mask = oracleTensor(`${prompt}.0.attention_mask`);
  const width = dims[2] ?? 0;
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  let next = 0;
  for (let i = 0; i < mask.data.length; i++) {
    if (Number(mask.data[i]) !== 0) data.set(found[next++] ?? [], i * width);
  }
  return { dtype: "float", dims, data };
}
