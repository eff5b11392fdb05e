import { existsSync } from "node:fs";
import path from "node:path";
import { inputError } from "../diagnostics/error.ts";

/** Adapters to load, by name, in the order they were given. */
export type NamedPaths = ReadonlyMap<string, string>;

/**
 * Adds an adapter, `NAME=PATH`, or a path, whose last part without its ending is the name then.
 *
 * @throws TfcError OPTION_REPEATED for a name that is there already
 */
export function namedPath(text: string, before: NamedPaths): NamedPaths {
  const [, given, rest] = existsSync(text) ? [] : (/^([^=/\\]+)=(.+)$/.exec(text) ?? []);
  const place = rest ?? text;
  const name = given ?? path.basename(path.resolve(place)).replace(/\.(safetensors|pt|onnx_adapter)$/, "");
  const same = before.get(name);
  if (same === undefined) return new Map([...before, [name, place]]);
  throw inputError(
    "OPTION_REPEATED",
    {},
    { option: "--load", values: [`${name}=${same}`, `${name}=${place}`] },
  );
}

/** A reader of numbers. */
export function numberOf(
  option: string,
  wanted: string,
  fits: (value: number) => boolean,
): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (Number.isFinite(value) && fits(value)) return value;
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option, wanted, found: text });
  };
}

/** Adds a stop text. @throws TfcError OPTION_OUT_OF_RANGE for an empty one, which is everywhere */
export function stopText(text: string, before: readonly string[]): readonly string[] {
  if (text !== "") return [...before, text];
  throw inputError("OPTION_OUT_OF_RANGE", {}, { option: "--stop", wanted: "a text", found: "an empty one" });
}
