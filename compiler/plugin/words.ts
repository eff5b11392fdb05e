import { kindOptions } from "../config/kind-options.ts";
import type { CompileFlags } from "../config/flag-options.ts";
import { inputError } from "../diagnostics/error.ts";
import { valueText } from "../pass/options.ts";
import { targets, type Target } from "./options.ts";

/** Words of a query that are switches. */
const switches = [
  ...["symmetric", "pack", "unpadded", "last-logits", "logit-rows", "decode-loop", "lower-paged-attention"],
  ...["no-adapters", "force", "strict", "train", "accumulate", "inline"],
] as const;

/** Words of a query that take a value. */
const valued = [
  ...["adapter", "sites", "adapters", "members", "load", "seed", "weights", "for", "dtype", "io-dtype"],
  ...["quantize", "block", "batch", "kv", "max-length", "emit", "memory", "train-base", "dropout", "config"],
  "target",
] as const;

/** A word that may be a switch or take a value. */
const EITHER = "replace";

/** An import's query, in the words of the command line. */
export interface Query {
  readonly flags: CompileFlags;
  /** Path of a configuration, as the query has it. */
  readonly config: string | null;
  readonly target: Target | null;
  /** Whether the files are to be part of the module. */
  readonly isInline: boolean;
}

/** Whether a query asks for a model to be compiled: it has the word `tfc`. */
export function isAsked(query: string): boolean {
  return new URLSearchParams(query).has("tfc");
}

/**
 * Reads the query of an import: `tfc&adapter=lora&rank=8&for=webgpu`. Words are the flags of `tfc compile` without their
 * dashes. What bundlers add for themselves (`import`, `t`, `v`) is passed over.
 *
 * @throws TfcError OPTION_UNKNOWN, OPTION_OUT_OF_RANGE, OPTION_REPEATED, OPTION_CONFLICT
 */
export function readQuery(query: string): Query {
  const flags: Record<string, unknown> = {};
  const kinds = kindOptions();
  const known = [...switches, ...valued, EITHER, ...kinds.keys()];
  const words = [...new URLSearchParams(query)].filter(([word]) => !passedOver.has(word));
  for (const [word, value] of words) {
    if (!known.some((one) => one === word))
      throw inputError("OPTION_UNKNOWN", {}, { option: word, owner: "?tfc", allowed: known });
    const all = words.filter(([other]) => other === word).map(([, one]) => one);
    if (word !== "load" && all.length > 1)
      throw inputError("OPTION_REPEATED", {}, { option: word, values: all });
    flags[camel(word)] =
      word === "load" ? all : valueOf(word, value, kinds.get(word)?.option.placeholder === "");
  }
  const { config, target, inline, noAdapters, ...compile } = flags;
  if (noAdapters === true && compile["adapters"] !== undefined)
    throw inputError("OPTION_CONFLICT", {}, { option: "no-adapters", other: "adapters" });
  return {
    flags: {
      force: false,
      ...compile,
      ...(noAdapters === true ? { adapters: false } : {}),
      allowMissingWeights: false,
      json: false,
    },
    config: typeof config === "string" ? config : null,
    target: targetOf(target),
    isInline: inline === true,
  };
}

const passedOver: ReadonlySet<string> = new Set(["tfc", "import", "t", "v"]);

function valueOf(word: string, value: string, isSwitchOfKind: boolean): unknown {
  if (word === EITHER) return value === "" ? true : value;
  if (isSwitchOfKind || switches.some((one) => one === word)) {
    if (value === "" || value === "true") return true;
    if (value === "false") return undefined;
    throw inputError("OPTION_UNKNOWN_VALUE", {}, { option: word, value, allowed: ["true", "false"] });
  }
  if (value !== "") return value;
  throw inputError(
    "OPTION_OUT_OF_RANGE",
    {},
    { option: word, wanted: `a value, as in ${word}=…`, found: "none" },
  );
}

/** @throws TfcError OPTION_UNKNOWN_VALUE */
function targetOf(value: unknown): Target | null {
  if (value === undefined) return null;
  const found = targets.find((one) => one === value);
  if (found !== undefined) return found;
  throw inputError(
    "OPTION_UNKNOWN_VALUE",
    {},
    { option: "target", value: valueText(value), allowed: targets },
  );
}

function camel(word: string): string {
  return word.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
