import { readFileSync } from "node:fs";
import { inputError, type TfcError } from "../../diagnostics/error.ts";
import { refusePointerAt } from "../../onnx/lfs.ts";
import { opening } from "../../onnx/open-failure.ts";
import { isRecord, jsonText } from "../json-values.ts";

/** What an adapter_config.json of LoRA says, with the defaults of PEFT 0.21's LoraConfig for what it leaves out. */
export interface PeftConfig {
  readonly file: string;
  readonly r: number;
  readonly alpha: number;
  readonly rslora: boolean;
  readonly dora: boolean;
  /** Whether a head that shares the embeddings has their LoRA, turned, without being a target. */
  readonly tiesHead: boolean;
  readonly rankPattern: ReadonlyMap<string, number>;
  readonly alphaPattern: ReadonlyMap<string, number>;
  /** Names, a regular expression of Python, or null where the architecture decided. */
  readonly targets: readonly string[] | string | null;
  readonly excluded: readonly string[] | string;
  readonly modulesToSave: readonly string[];
  /** Empty for all layers. */
  readonly layers: readonly number[];
  readonly layersPattern: readonly string[];
}

/** The JSON, as far as it was checked. */
type Json = Readonly<Record<string, unknown>>;

/** What a field may hold, besides null, which stands for its default in all but {@link numbers}. */
interface Field {
  readonly wanted: string;
  readonly accepts: (value: unknown) => boolean;
}

const isText = (value: unknown): value is string => typeof value === "string";
const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isRank = (value: unknown): boolean => isIndex(value) && value > 0;
const isAlpha = (value: unknown): boolean =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;
const isListOf = (value: unknown, accepts: (one: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(accepts);
const isMapOf = (value: unknown, accepts: (one: unknown) => boolean): boolean =>
  isRecord(value) && Object.values(value).every(accepts);

const flag: Field = { wanted: "true or false", accepts: (value) => typeof value === "boolean" };
const text: Field = { wanted: "text", accepts: isText };
const object: Field = { wanted: "an object", accepts: isRecord };
const amount: Field = { wanted: "a number, 0 or more", accepts: isAlpha };
const names: Field = { wanted: "a list of names", accepts: (value) => isListOf(value, isText) };
const namesOrPattern: Field = {
  wanted: "a list of names, or a regular expression",
  accepts: (value) => isText(value) || isListOf(value, isText),
};
const any: Field = { wanted: "anything", accepts: () => true };

/** Fields in which null stands for nothing: PEFT computes with what is there. */
const numbers: readonly string[] = ["r", "lora_alpha"];

/** Every field of PEFT 0.21's LoraConfig, and what older versions wrote. */
const fields: Readonly<Record<string, Field>> = {
  peft_type: text,
  r: { wanted: "an integer, 1 or more", accepts: isRank },
  lora_alpha: amount,
  use_rslora: flag,
  rank_pattern: {
    wanted: "integers, 1 or more, by names",
    accepts: (value) => isMapOf(value, isRank),
  },
  alpha_pattern: { wanted: "numbers, 0 or more, by names", accepts: (value) => isMapOf(value, isAlpha) },
  target_modules: namesOrPattern,
  exclude_modules: namesOrPattern,
  modules_to_save: names,
  layers_to_transform: {
    wanted: "a layer, or a list of layers, counted from 0",
    accepts: (value) => isIndex(value) || isListOf(value, isIndex),
  },
  layers_pattern: { wanted: "a name, or a list of names", accepts: namesOrPattern.accepts },
  init_lora_weights: {
    wanted: "true, false, or the name of a method",
    accepts: (value) => typeof value === "boolean" || isText(value),
  },
  bias: {
    wanted: '"none", "all" or "lora_only"',
    accepts: (value) => ["none", "all", "lora_only"].some((one) => one === value),
  },
  // PEFT transposes the product B·A when it merges it into a weight stored `[in, out]`, as Conv1D has it. A `[r, in]`
  // and B `[out, r]` are stored the same either way (LoraLayer.update_layer makes Linears of in_features and
  // out_features), so that beside a module nothing changes.
  fan_in_fan_out: flag,
  // What only matters in training, on loading, or to people.
  lora_dropout: amount,
  inference_mode: flag,
  ensure_weight_tying: flag,
  task_type: text,
  base_model_name_or_path: text,
  revision: text,
  peft_version: text,
  auto_mapping: object,
  runtime_config: object,
  loftq_config: object,
  eva_config: object,
  corda_config: object,
  lora_ga_config: object,
  megatron_core: text,
  qalora_group_size: amount,
  use_dora: flag,
  // What is refused wherever it is set.
  use_qalora: flag,
  lora_bias: flag,
  trainable_token_indices: any,
  target_parameters: any,
  layer_replication: any,
  alora_invocation_tokens: any,
  velora_config: any,
  monteclora_config: any,
  use_bdlora: any,
  arrow_config: any,
  kasa_config: any,
  megatron_config: any,
};

/** Fields that make something else of LoRA, and what. */
const variants: Readonly<Record<string, string>> = {
  use_qalora: "QA-LoRA",
  lora_bias: "a bias of LoRA's own",
  trainable_token_indices: "trained rows of the embedding",
  target_parameters: "LoRA of single parameters",
  layer_replication: "repeated layers",
  alora_invocation_tokens: "activated LoRA",
  velora_config: "VeLoRA",
  monteclora_config: "MonteCLoRA",
  use_bdlora: "block-diagonal LoRA",
  arrow_config: "Arrow routing",
  kasa_config: "KaSA",
  megatron_config: "Megatron's parallel layers",
};

/**
 * First weights that leave the base as it is. The others (pissa, olora, corda, loftq, lora_ga) change it on loading, so
 * that the adapter alone does not say what the model computes.
 */
const plainInits: readonly unknown[] = [
  true,
  false,
  "true",
  "false",
  "gaussian",
  "eva",
  "orthogonal",
  "mica",
];

/**
 * Reads an adapter_config.json of plain LoRA.
 *
 * @throws TfcError FILE_NOT_FOUND; PEFT_CONFIG_INVALID with the field; PEFT_UNSUPPORTED for everything that computes
 *   something else than LoRA beside the base's linear projections
 */
export function readPeftConfig(file: string): PeftConfig {
  const json = parse(file);
  const unknown = Object.keys(json).filter((name) => !Object.hasOwn(fields, name));
  for (const [name, { wanted, accepts }] of Object.entries(fields)) {
    const value = json[name] ?? null;
    const mayBeNull = !numbers.includes(name) || json[name] === undefined;
    if (value === null ? !mayBeNull : !accepts(value)) throw invalid(file, name, wanted, jsonText(value));
  }
  checkPlain(file, json, unknown);
  const config = configOf(file, json);
  if (typeof config.targets === "string" && (json["layers_to_transform"] ?? null) !== null) {
    throw invalid(
      file,
      "layers_to_transform",
      "null, where target_modules is a regular expression",
      "layers",
    );
  }
  if (config.layersPattern.length > 0 && (json["layers_to_transform"] ?? null) === null) {
    throw invalid(file, "layers_pattern", "null, where layers_to_transform is", "a pattern");
  }
  return config;
}

function parse(file: string): Json {
  const source = opening(file, () => readFileSync(file, "utf8"));
  refusePointerAt(file);
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (cause) {
    throw invalid(file, "", "JSON", cause instanceof Error ? cause.message : "something else", { cause });
  }
  if (!isRecord(json)) throw invalid(file, "", "a JSON object", "something else");
  return json;
}

function checkPlain(file: string, json: Json, unknown: readonly string[]): void {
  const refuse = (what: string, name: string): TfcError =>
    inputError("PEFT_UNSUPPORTED", { file, name }, { what, found: `${name}: ${jsonText(json[name])}` });
  const type = json["peft_type"];
  if (!isText(type)) throw invalid(file, "peft_type", '"LORA"', "none");
  if (type !== "LORA") throw refuse(type.slice(0, 40), "peft_type");
  for (const [name, what] of Object.entries(variants)) if (!isEmpty(json[name])) throw refuse(what, name);
  const init = json["init_lora_weights"] ?? true;
  if (!plainInits.includes(init))
    throw refuse(`first weights by ${jsonText(init)}, which change the base`, "init_lora_weights");
  // PEFT ignores what it does not know, with a warning. Its variants are all switched by a flag or a record of their
  // own; one that is newer than this table must not pass for plain LoRA.
  const other = unknown.find(
    (name) => json[name] === true || (typeof json[name] === "object" && !isEmpty(json[name])),
  );
  if (other !== undefined) throw refuse("a field that is not known", other);
}

function isEmpty(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === "";
}

/** The types were checked against {@link fields}. */
function configOf(file: string, json: Json): PeftConfig {
  const or = <T>(name: string, usual: T): T => (json[name] ?? usual) as T;
  const layers = or<number | readonly number[]>("layers_to_transform", []);
  const pattern = or<string | readonly string[]>("layers_pattern", []);
  return {
    file,
    r: or("r", 8),
    alpha: or("lora_alpha", 8),
    rslora: or("use_rslora", false),
    dora: or("use_dora", false),
    tiesHead: or("ensure_weight_tying", false),
    rankPattern: new Map(Object.entries(or<Record<string, number>>("rank_pattern", {}))),
    alphaPattern: new Map(Object.entries(or<Record<string, number>>("alpha_pattern", {}))),
    targets: or<readonly string[] | string | null>("target_modules", null),
    excluded: or<readonly string[] | string>("exclude_modules", []),
    modulesToSave: or("modules_to_save", []),
    layers: typeof layers === "number" ? [layers] : layers,
    layersPattern: typeof pattern === "string" ? [pattern].filter((one) => one !== "") : pattern,
  };
}

/** An error about a field of an adapter_config.json; about all of it where the field is empty. */
export function invalid(
  file: string,
  field: string,
  wanted: string,
  found: string,
  { cause, fix }: { readonly cause?: unknown; readonly fix?: string } = {},
): TfcError {
  const place = { file, ...(field === "" ? {} : { name: field }) };
  const params = { field, wanted, found, ...(fix === undefined ? {} : { fix }) };
  return inputError("PEFT_CONFIG_INVALID", place, params, cause);
}
