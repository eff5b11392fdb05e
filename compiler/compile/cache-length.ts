import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { inputError } from "../diagnostics/error.ts";
import type { Model } from "../ir/model.ts";
import type { Value } from "../ir/value.ts";
import { constantOf } from "../ops/constant.ts";
import type { DecoderView } from "../recognize/decoder.ts";
import type { Plan } from "./plan.ts";

/** How many positions a model is made for, and what says so. */
interface ContextLength {
  readonly length: number;
  readonly source: string;
}

/**
 * How many positions shared caches hold: what was asked for, or the model's context; null where caches are not shared.
 * And how many a run can ask for: those, or the context that a configuration beside the model says.
 *
 * @throws TfcError KV_LENGTH_UNKNOWN, KV_LENGTH_BEYOND
 */
export function lengthsOf(
  { kv, maxLength }: Plan,
  model: Model,
  view: DecoderView,
): Pick<Plan, "maxLength" | "positions"> {
  const { file } = model.loc;
  const configured = contextOfFiles(dirname(file));
  if (kv !== "shared") return { maxLength: null, positions: configured?.length ?? null };
  const context = contextOfTables(view) ?? configured;
  if (maxLength !== null && context !== null && maxLength > context.length)
    throw inputError(
      "KV_LENGTH_BEYOND",
      { file },
      { length: maxLength, context: context.length, source: context.source },
    );
  const length = maxLength ?? context?.length;
  if (length === undefined) throw inputError("KV_LENGTH_UNKNOWN", { file }, {});
  return { maxLength: length, positions: length };
}

/** As many as the shortest table of a rotary embedding has rows. */
export function contextOfTables({ layers }: DecoderView): ContextLength | null {
  const tables = layers.flatMap(({ attention }) => {
    if (attention?.kind !== "attention") return [];
    const table = tableAbove(attention.rotary?.cos ?? null);
    return table === null ? [] : [table];
  });
  const [first, ...more] = tables;
  if (first === undefined) return null;
  return more.reduce((least, table) => (table.length < least.length ? table : least), first);
}

/** No exporter puts more between the table and where it is multiplied. */
const FURTHEST = 16;

/** The constant `[positions, …]` that rows are taken from, as `Gather` or a rotary op does. */
function tableAbove(value: Value | null): ContextLength | null {
  let at = value;
  for (let steps = 0; at !== null && steps < FURTHEST; steps++) {
    const shape = constantOf(at)?.shape ?? at.constant?.shape;
    if (shape !== undefined) {
      const [length = 0] = shape;
      return shape.length === 2 && length > 1 ? { length, source: `the table "${at.name ?? ""}"` } : null;
    }
    at = at.producer?.input(0) ?? null;
  }
  return null;
}

/** A configuration of more bytes than this is not read. */
const LARGEST = 1 << 20;

/** What Hugging Face's or onnxruntime-genai's configuration beside a model says. */
function contextOfFiles(folder: string): ContextLength | null {
  const config = readJson(join(folder, "config.json"));
  const text = objectIn(config, "text_config") ?? config;
  const found = [
    [text?.["max_position_embeddings"] ?? text?.["n_positions"], "config.json"],
    [objectIn(readJson(join(folder, "genai_config.json")), "model")?.["context_length"], "genai_config.json"],
  ] as const;
  for (const [length, source] of found)
    if (typeof length === "number" && Number.isSafeInteger(length) && length >= 1) return { length, source };
  return null;
}

type Json = Readonly<Record<string, unknown>>;

function objectIn(json: Json | null, key: string): Json | null {
  const value = json?.[key];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

/** Null for what is not there or no object: only a hint is looked for. */
function readJson(file: string): Json | null {
  try {
    if (statSync(file).size > LARGEST) return null;
    return objectIn({ content: JSON.parse(readFileSync(file, "utf8")) as unknown }, "content");
  } catch {
    return null;
  }
}
