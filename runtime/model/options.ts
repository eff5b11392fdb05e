import { checkCount, refused } from "../generate/options.ts";
import { PROVIDERS } from "../session/devices.ts";
import type { ModelOptions } from "./types.ts";

const DEVICES: readonly unknown[] = ["auto", ...PROVIDERS];

/** What a model may be loaded with. */
const NAMES = [
  "device",
  "adapters",
  "capacity",
  "threads",
  "tokenizer",
  "maxBatch",
  "maxQueue",
] as const satisfies (keyof ModelOptions)[];

/**
 * A look at what a model is loaded with, whatever JavaScript let through.
 *
 * @throws TfcError GENERATE_OPTION
 */
export function checkModelOptions(where: unknown, options: ModelOptions): void {
  if (!isText(where)) throw refused("the model", "the path of an .onnx file, or of a folder with one", where);
  if (!isObject(options)) throw refused("the options", "an object", options);
  const strange = Object.keys(options).find((name) => !NAMES.some((known) => known === name));
  if (strange !== undefined) throw refused(strange, `one of ${NAMES.join(", ")}`, strange);
  const { device, adapters, threads, tokenizer, maxBatch, maxQueue } = options;
  if (device !== undefined && !DEVICES.includes(device))
    throw refused("device", `one of ${DEVICES.join(", ")}`, device);
  if (adapters !== undefined && !isObject(adapters))
    throw refused("adapters", "an object: paths of adapters by their names", adapters);
  if (tokenizer !== undefined && !isText(tokenizer))
    throw refused("tokenizer", "the path of a folder, or of its tokenizer.json", tokenizer);
  if (threads !== undefined) checkCount("threads", threads, 1);
  if (maxBatch !== undefined) checkCount("maxBatch", maxBatch, 1);
  if (maxQueue !== undefined && maxQueue !== Infinity) checkCount("maxQueue", maxQueue, 0);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
