import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { inputError } from "../diagnostics/error.ts";
import { isSystemError } from "../diagnostics/system-error.ts";
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
  const { context: configured, unread } = contextOfFiles(dirname(file));
  if (kv !== "shared") return { maxLength: null, positions: configured?.length ?? null };
  const context = contextOfTables(view) ?? configured;
  if (maxLength !== null && context !== null && maxLength > context.length)
    throw inputError(
      "KV_LENGTH_BEYOND",
      { file },
      { length: maxLength, context: context.length, source: context.source },
    );
  const length = maxLength ?? context?.length;
  if (length === undefined) throw inputError("KV_LENGTH_UNKNOWN", { file }, { unread });
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

/** As many as a length can be in int32, in which ops count. */
const MOST = 2 ** 31 - 1;

/** What configurations beside a model say of its context, and why some say nothing. */
interface Configured {
  readonly context: ContextLength | null;
  /** `config.json, which is no JSON`; those that are not there are no part. */
  readonly unread: readonly string[];
}

/** What Hugging Face's or onnxruntime-genai's configuration beside a model says. */
function contextOfFiles(folder: string): Configured {
  const unread: string[] = [];
  for (const [name, lengthIn] of configurations) {
    const json = readJson(join(folder, name));
    if (json === null) continue;
    const found = typeof json === "string" ? { why: json } : lengthIn(json);
    if ("length" in found) return { context: { length: found.length, source: name }, unread };
    unread.push(`${name}, ${found.why}`);
  }
  return { context: null, unread };
}

type Said = { readonly length: number } | { readonly why: string };

const configurations: readonly (readonly [file: string, lengthIn: (config: Json) => Said])[] = [
  [
    "config.json",
    (config) =>
      lengthOf(objectIn(config, "text_config") ?? config, ["max_position_embeddings", "n_positions"]),
  ],
  ["genai_config.json", (config) => lengthOf(objectIn(config, "model") ?? {}, ["context_length"])],
];

/** @param keys those that may say it; the first that is there does */
function lengthOf(json: Json, keys: readonly string[]): Said {
  const key = keys.find((one) => json[one] !== undefined && json[one] !== null);
  if (key === undefined) return { why: `which has no ${keys.join(" or ")}` };
  const length = json[key];
  if (typeof length === "number" && Number.isSafeInteger(length) && length >= 1 && length <= MOST)
    return { length };
  return { why: `whose ${key} is ${JSON.stringify(length)}, and no whole number from 1 to ${MOST}` };
}

type Json = Readonly<Record<string, unknown>>;

function objectIn(json: Json | null, key: string): Json | null {
  const value = json?.[key];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

/** Null for what is not there, and why else there is no object: only a hint is looked for. */
function readJson(file: string): Json | string | null {
  try {
    if (statSync(file).size > LARGEST) return `which has more than ${LARGEST} bytes`;
    const content = JSON.parse(readFileSync(file, "utf8")) as unknown;
    return objectIn({ content }, "content") ?? "which holds no object";
  } catch (error) {
    if (error instanceof SyntaxError) return "which is no JSON";
    if (!isSystemError(error)) throw error;
    return error.code === "ENOENT" ? null : `which cannot be read (${error.code ?? error.message})`;
  }
}
