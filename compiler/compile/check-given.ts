import { inputError } from "../diagnostics/error.ts";
import { valueText } from "../pass/options.ts";

/** What an option may hold: in words, and as a test; and the words themselves, where it is one of some. */
export type Check = readonly [
  wanted: string,
  holds: (value: unknown) => boolean,
  allowed?: readonly string[],
];

/** A table of checks: one for each option of a function. */
export type Checks<O> = Readonly<Record<keyof O & string, Check>>;

export const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
export const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
/** What an empty list asks for is unclear: nothing of the kind, or the default. */
export const isSomeTexts = (value: unknown): boolean => isTexts(value) && (value as unknown[]).length > 0;
const isRecord = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Checks that options share. */
export const holds = {
  model: ["the path of an .onnx file", isText],
  path: ["a path", isText],
  list: ["a list", (value) => Array.isArray(value)],
  settings: ["settings by name", isRecord],
  yesNo: ["true or false", (value) => typeof value === "boolean"],
  integer: ["a whole number", (value) => Number.isSafeInteger(value)],
  callback: ["a function", (value) => typeof value === "function"],
} as const satisfies Readonly<Record<string, Check>>;

/** One of some words. */
export function oneOf(words: readonly string[]): Check {
  return [`one of ${words.join(", ")}`, (value) => words.some((word) => word === value), words];
}

/**
 * Checks the names of options and what they hold: from JavaScript they may be anything.
 *
 * @param owner the function that takes them
 * @param required options that must be there
 * @throws TfcError OPTION_UNKNOWN, OPTION_UNKNOWN_VALUE, OPTION_OUT_OF_RANGE
 */
export function checkGiven<O extends object>(
  given: O,
  checks: Checks<O>,
  owner: string,
  required: readonly (keyof O & string)[],
): void {
  const allowed = Object.keys(checks);
  const record: Readonly<Record<string, unknown>> = isRecord(given) ? { ...given } : {};
  const strange = Object.keys(record).find((name) => !allowed.includes(name));
  if (strange !== undefined) throw inputError("OPTION_UNKNOWN", {}, { option: strange, owner, allowed });
  for (const [name, [wanted, test, words]] of Object.entries<Check>(checks)) {
    const value = record[name];
    const isLeftOut = value === undefined && !required.some((one) => one === name);
    if (isLeftOut || test(value)) continue;
    if (words !== undefined && value !== undefined)
      throw inputError("OPTION_UNKNOWN_VALUE", {}, { option: name, value: valueText(value), allowed: words });
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: name, wanted, found: valueText(value) });
  }
}
