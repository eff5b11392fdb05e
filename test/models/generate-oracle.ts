import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { crc32 } from "node:zlib";
import { writeWeights, type Weights } from "../support/adapters.ts";

/** An answer of transformers' generate. */
export interface Answered {
  readonly prompt: readonly number[];
  /** New ids, with the one that ends the answer. */
  readonly ids: readonly number[];
  /** The least distance of the two likeliest logits on the way. */
  readonly margin: number;
  readonly penalty?: number;
}

interface Oracle {
  readonly lora: { readonly rank: number; readonly alpha: number };
  /** What LoRA is beside, by model: each module with what it takes and gives. */
  readonly modules: Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>>;
  readonly models: Readonly<Record<string, readonly Answered[]>>;
}

/** What transformers answers, see samples/export/generate_oracle.py. */
export const oracle = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "generate-oracle.json"), "utf8"),
) as Oracle;

/** The id that ends an answer, of all these models. */
export const EOS = 2;

/** The same numbers as `numbers` in samples/export/generate_models.py. */
export function numbers(name: string, count: number): Float32Array {
  let state = crc32(name) % 2 ** 31;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(1103515245, state) + 12345) & 0x7fffffff;
    return state / 2 ** 31 - 0.5;
  });
}

/** Writes the adapter `<base> + lora` as a folder of PEFT; gives its path. */
export async function writeLora(base: string, folder: string): Promise<string> {
  const { rank, alpha } = oracle.lora;
  const modules = Object.entries(oracle.modules[`${base} + lora`] ?? {});
  const leaf = (name: string, shape: readonly [number, number]): Weights => ({
    [name]: {
      dtype: "float",
      shape,
      bytes: () => new Uint8Array(numbers(name, shape[0] * shape[1]).buffer),
    },
  });
  const weights = modules.map(([module, [takes, gives]]) => ({
    ...leaf(`${module}.lora_A.weight`, [rank, takes]),
    ...leaf(`${module}.lora_B.weight`, [gives, rank]),
  }));
  const target = [...new Set(modules.map(([module]) => module.split(".").at(-1) ?? ""))];
  // The reader takes layers without attention, such as LFM2's convolutions, for missing unless they are named.
  const layers = [...new Set(modules.map(([module]) => Number(/\.layers\.(\d+)\./.exec(module)?.[1])))];
  const config = {
    ...{ peft_type: "LORA", r: rank, lora_alpha: alpha, target_modules: target },
    layers_to_transform: layers,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "adapter_config.json"), JSON.stringify(config));
  await writeWeights(
    path.join(folder, "adapter_model.safetensors"),
    Object.assign({}, ...weights) as Weights,
  );
  return folder;
}
