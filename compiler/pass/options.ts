import { inspect } from "node:util";
import { inputError } from "../diagnostics/error.ts";

/** One option of a pass or adapter kind: how the command line shows it, its default, and what it accepts. */
export interface Option<T> {
  readonly help: string;
  readonly default: T;
  /** What the value is called in usage texts: `--rank <n>`. */
  readonly placeholder: string;
  /** Checks a value that came from a flag (text) or a configuration (any JSON). */
  readonly check: (value: unknown, flag: string) => T;
}

/** The options of a pass or adapter kind, by name. */
export type Schema<O> = { readonly [K in keyof O]: Option<O[K]> };

/** An integer within bounds. */
export function integer(spec: { help: string; default: number; min: number; max: number }): Option<number> {
  return {
    help: spec.help,
    default: spec.default,
    placeholder: "n",
    check: (value, flag) => {
      const n = typeof value === "string" && /^[+-]?\d+$/.test(value.trim()) ? Number(value) : value;
      if (typeof n === "number" && Number.isSafeInteger(n) && n >= spec.min && n <= spec.max) return n;
      const wanted = `an integer from ${spec.min} to ${spec.max}`;
      throw inputError("OPTION_OUT_OF_RANGE", {}, { option: flag, wanted, found: valueText(value) });
    },
  };
}

/** A number, not below a bound. */
export function number(spec: { help: string; default: number; min: number }): Option<number> {
  return {
    help: spec.help,
    default: spec.default,
    placeholder: "x",
    check: (value, flag) => {
      const x = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      if (typeof x === "number" && Number.isFinite(x) && x >= spec.min) return x;
      const wanted = `a number, ${spec.min} or more`;
      throw inputError("OPTION_OUT_OF_RANGE", {}, { option: flag, wanted, found: valueText(value) });
    },
  };
}

/** A switch. On the command line it takes no value. */
export function yesNo(spec: { help: string }): Option<boolean> {
  return {
    help: spec.help,
    default: false,
    placeholder: "",
    check: (value, flag) => {
      if (typeof value === "boolean") return value;
      throw inputError(
        "OPTION_UNKNOWN_VALUE",
        {},
        { option: flag, value: valueText(value), allowed: ["true", "false"] },
      );
    },
  };
}

/** Something that only code can give: no flag, and no configuration, stands for it. */
export function given<T>(spec: { help: string; default: T }): Option<T> {
  return { ...spec, placeholder: "", check: (value) => value as T };
}

/** One of several words. */
export function choice<const T extends string>(spec: {
  help: string;
  default: T;
  of: readonly T[];
}): Option<T> {
  return {
    help: spec.help,
    default: spec.default,
    placeholder: spec.of.join("|"),
    check: (value, flag) => {
      const found = spec.of.find((word) => word === value);
      if (found !== undefined) return found;
      throw inputError(
        "OPTION_UNKNOWN_VALUE",
        {},
        { option: flag, value: valueText(value), allowed: spec.of },
      );
    },
  };
}

/** Words separated by commas, each one of several. */
export function choices<const T extends string>(spec: {
  help: string;
  default: readonly T[];
  of: readonly T[];
}): Option<readonly T[]> {
  return {
    help: spec.help,
    default: spec.default,
    placeholder: spec.of.join(","),
    check: (value, flag) => {
      const words = typeof value === "string" ? value.split(",").map((w) => w.trim()) : value;
      if (!Array.isArray(words) || words.length === 0) {
        throw inputError(
          "OPTION_UNKNOWN_VALUE",
          {},
          { option: flag, value: valueText(value), allowed: spec.of },
        );
      }
      const found = words.map((word: unknown) => {
        const known = spec.of.find((w) => w === word);
        if (known !== undefined) return known;
        throw inputError(
          "OPTION_UNKNOWN_VALUE",
          {},
          { option: flag, value: valueText(word), allowed: spec.of },
        );
      });
      return [...new Set(found)];
    },
  };
}

/** A value in one line, for messages. */
export function valueText(value: unknown): string {
  return typeof value === "string" ? value : jsonText(value);
}

/** A value as JSON; what is none, holds NaN or infinity, or is nested deeper than a stack, as Node shows it. */
export function jsonText(value: unknown): string {
  const shown = (): string => inspect(value, { depth: 2, breakLength: Infinity });
  if (["function", "symbol", "undefined"].includes(typeof value)) return inspect(value);
  // JSON would have null in their place.
  const strange: number[] = [];
  const look = (_: string, one: unknown): unknown => {
    if (typeof one === "number" && !Number.isFinite(one)) strange.push(one);
    return one;
  };
  try {
    const text = JSON.stringify(value, look);
    return strange.length === 0 ? text : shown();
  } catch {
    return shown();
  }
}

/**
 * Checks given values against a schema and fills in defaults.
 *
 * @param label what an option is called where its value came from
 * @throws TfcError OPTION_OUT_OF_RANGE, OPTION_UNKNOWN_VALUE, OPTION_UNKNOWN
 */
export function checkOptions<O>(
  schema: Schema<O>,
  given: Readonly<Record<string, unknown>>,
  owner: string,
  label = (name: string): string => name,
): O {
  const known = Object.keys(schema);
  for (const name of Object.keys(given)) {
    if (!known.includes(name))
      throw inputError("OPTION_UNKNOWN", {}, { option: name, owner, allowed: known });
  }
  const checked: Partial<O> = {};
  for (const name of known as (keyof O & string)[]) {
    const value = given[name];
    checked[name] = value === undefined ? schema[name].default : schema[name].check(value, label(name));
  }
  return checked as O;
}
