import { adapterKinds, type KindName } from "../adapters/index.ts";
import { inputError } from "../diagnostics/error.ts";
import type { Progress } from "../onnx/output.ts";
import { valueText } from "../pass/options.ts";
import type { AfterPass } from "../pass/runner.ts";
import { residences, type Residence } from "../../passes/index.ts";
import { weightModes, type WeightMode } from "./place-weights.ts";

/** Adapters of one kind at some sites. */
export interface AdapterEntry {
  readonly kind: KindName;
  /** `mlp@0-15,q_proj`, or one such text each. Default: where the kind usually goes. */
  readonly sites?: string | readonly string[];
  /** Options of the kind: rank, heads, tokens, … */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What to compile and how. Options left out take the defaults of the command line. */
export interface CompileOptions {
  readonly input: string;
  /** Default: `model.tfc.onnx` beside `model.onnx`. */
  readonly output?: string;
  /** Kind of fresh adapters. Default: `scalarlm`. */
  readonly adapter?: KindName;
  readonly sites?: AdapterEntry["sites"];
  /** Options of the adapter kind; with `load`, what the files do not say of themselves. */
  readonly settings?: AdapterEntry["settings"];
  /** Fresh adapters of several kinds, in place of `adapter`, `sites` and `settings`. */
  readonly entries?: readonly AdapterEntry[];
  /** False adds none: the graph with its modules named. */
  readonly adapters?: boolean;
  /** Trained adapters: files or folders of any format. One, but in a bank. */
  readonly load?: readonly string[];
  /** Where the adapters' weights are. */
  readonly residence?: Residence;
  /** How many fresh adapters a bank holds. */
  readonly members?: number;
  /** Projections, and MLPs, that become token-parameter attention. With `load` its weights are taken from there. */
  readonly replace?: readonly Omit<AdapterEntry, "kind">[];
  readonly seed?: number;
  /** Takes adapters that belong to another base. */
  readonly force?: boolean;
  /** Default: `link` beside the base, `copy` in another folder. */
  readonly weights?: WeightMode;
  /** Writes paged attention with standard ops, for where onnxruntime has no kernel for it. */
  readonly lowerPagedAttention?: boolean;
  /** Makes every warning an error. */
  readonly strict?: boolean;
  /** Goes on when external data is missing: the graph is compiled, its weights are to be put beside it. */
  readonly allowMissingWeights?: boolean;
  readonly afterPass?: AfterPass;
  readonly progress?: Progress;
}

type Check = readonly [wanted: string, holds: (value: unknown) => boolean];

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isRecord = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const path: Check = ["a path", (value) => typeof value === "string"];
const list: Check = ["a list", (value) => Array.isArray(value)];
const yesNo: Check = ["true or false", (value) => typeof value === "boolean"];
const integer: Check = ["a whole number", (value) => Number.isSafeInteger(value)];
const callback: Check = ["a function", (value) => typeof value === "function"];
const oneOf = (words: readonly string[]): Check => [
  `one of ${words.join(", ")}`,
  (value) => words.some((word) => word === value),
];

/** What each option may hold. Ranges, sites and settings are checked where they are understood. */
const options: Readonly<Record<keyof CompileOptions, Check>> = {
  input: ["the path of an .onnx file", isText],
  output: path,
  adapter: oneOf([...adapterKinds.keys()]),
  sites: ["text, or a list of texts", (value) => isText(value) || isTexts(value)],
  settings: ["settings by name", isRecord],
  entries: list,
  adapters: yesNo,
  load: ["a list of paths", isTexts],
  residence: oneOf(residences),
  members: integer,
  replace: list,
  seed: integer,
  force: yesNo,
  weights: oneOf(weightModes),
  lowerPagedAttention: yesNo,
  strict: yesNo,
  allowMissingWeights: yesNo,
  afterPass: callback,
  progress: callback,
};

/**
 * Checks the names of options and what they hold: from JavaScript they may be anything.
 *
 * @throws TfcError OPTION_UNKNOWN, OPTION_OUT_OF_RANGE
 */
export function checkCompileOptions(given: CompileOptions): void {
  const allowed = Object.keys(options);
  const record: Readonly<Record<string, unknown>> = isRecord(given) ? { ...given } : {};
  const strange = Object.keys(record).find((name) => !allowed.includes(name));
  if (strange !== undefined)
    throw inputError("OPTION_UNKNOWN", {}, { option: strange, owner: "compile", allowed });
  for (const [name, [wanted, holds]] of Object.entries(options)) {
    const value = record[name];
    if ((value === undefined && name !== "input") || holds(value)) continue;
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: name, wanted, found: valueText(value) });
  }
}
