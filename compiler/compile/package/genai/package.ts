import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Diagnostic } from "../../../diagnostics/diagnostic.ts";
import { inputError } from "../../../diagnostics/error.ts";
import type { Sink } from "../../../diagnostics/sink.ts";
import { OutputFiles, type Progress } from "../../../onnx/output.ts";
import { checkUnchanged, stampsOf } from "../../../onnx/stamp.ts";
import type { DecoderView } from "../../../recognize/decoder.ts";
import { loweredFor, providers, type Provider } from "../../../ops/providers.ts";
import { contextOfTables } from "../../cache-length.ts";
import { checkGiven, holds, oneOf, type Checks } from "../../check-given.ts";
import { openDecoder } from "../../open-decoder.ts";
import { reporting } from "../../reporting.ts";
import { openPackaged, type PackagedModel } from "../graph.ts";
import { packageWeightModes, stageModel, type PackageWeights } from "../stage.ts";
import { genaiConfig, type Sizes } from "./config.ts";
import { genaiDecoder, type GenaiDecoder } from "./decoder.ts";
import { fixLogits } from "./logits.ts";
import { cachePatterns } from "./names.ts";
import { tokenizerForGenai } from "./tokenizer.ts";
import { readSettings, settingsFolders, type ModelSettings } from "./settings.ts";

/** What to package for onnxruntime-genai, and how. */
export interface PackageGenaiOptions {
  /** A model's .onnx file, or its folder. */
  readonly input: string;
  /** The folder that genai is to load. */
  readonly output: string;
  /** The folder with the model's tokenizer and configuration. Default: the graph's. */
  readonly tokenizer?: string;
  /** Where it runs. Default: what the graph was lowered for, else the CPU. */
  readonly device?: Provider;
  /** Tokens of prompt and answer together at most. Default: the model's context length, or that of its shared caches. */
  readonly maxLength?: number;
  /** `link` gives the files a second name, where the disk can; `copy` copies them. Default `link`. */
  readonly weights?: PackageWeights;
  /** Is told how many bytes of a file have been written, and of how many. */
  readonly progress?: Progress;
}

/** What {@link packageGenai} made. */
export interface PackageGenaiReport {
  /** The graph, absolute. */
  readonly input: string;
  /** The folder, absolute. */
  readonly folder: string;
  /** Tokens of prompt and answer together at most. */
  readonly contextLength: number;
  /** Whether caches are past and present in one. */
  readonly sharedCache: boolean;
  /** Inputs that genai's caller has to fill: those of an adapter, and the one that chooses a bank's members. */
  readonly inputs: readonly string[];
  /** Files written or linked, absolute. */
  readonly files: readonly string[];
  /** Warnings and notes. */
  readonly diagnostics: readonly Diagnostic[];
}

const checks: Checks<PackageGenaiOptions> = {
  input: holds.model,
  output: holds.path,
  tokenizer: holds.path,
  device: oneOf(providers),
  maxLength: ["a whole number above 0", (value) => Number.isSafeInteger(value) && (value as number) >= 1],
  weights: oneOf(packageWeightModes),
  progress: holds.callback,
};

/**
 * Makes a folder that onnxruntime-genai loads: genai_config.json, the graph with its weights, and the tokenizer.
 * Everything is written, or nothing.
 *
 * @throws TfcError PACKAGE_REFUSED; PACKAGE_SETTING_UNKNOWN, MODEL_CONFIG; EXTERNAL_DATA_MISSING,
 *   FILE_NOT_WRITABLE, and others of a model that cannot be read
 */
export function packageGenai(options: PackageGenaiOptions): Promise<PackageGenaiReport> {
  return reporting((sink) => packageWith(options, sink));
}

async function packageWith(options: PackageGenaiOptions, sink: Sink): Promise<PackageGenaiReport> {
  checkGiven(options, checks, "packageGenai", ["input", "output"]);
  const packaged = openPackaged(options.input, sink);
  const decoder = genaiDecoder(packaged);
  const settings = readSettings(settingsFolders(packaged.file, options.tokenizer));
  const { view } = openDecoder(packaged.file);
  const contextLength = contextOf(view, decoder, settings, options.maxLength);
  const { patterns, renamed } = cachePatterns(packaged, decoder.caches);
  const fixed = fixLogits(packaged, decoder);
  const config = genaiConfig(decoder, patterns, {
    ...{ settings, sizes: sizesIn(view), contextLength, filename: "model.onnx" },
    provider: options.device ?? loweredFor(packaged.model.meta) ?? "cpu",
  });
  tell(packaged, decoder, settings, { renamed, fixed }, sink);
  const changed = renamed || fixed;
  const files = await write(packaged, { config, changed, from: settings.folder }, options, sink);
  return {
    ...{ input: packaged.file, folder: resolve(options.output), contextLength },
    sharedCache: decoder.sharedLength !== null,
    inputs: [...decoder.leaves, ...(decoder.memberIds === null ? [] : [decoder.memberIds])].map(
      ({ name }) => name,
    ),
    ...{ files, diagnostics: sink.diagnostics },
  };
}

/** @throws TfcError PACKAGE_SETTING_UNKNOWN, OPTION_OUT_OF_RANGE */
function contextOf(
  view: DecoderView,
  { sharedLength }: GenaiDecoder,
  settings: ModelSettings,
  asked: number | undefined,
): number {
  const bounds = [
    [sharedLength, "the positions of the graph's caches"],
    [contextOfTables(view)?.length ?? null, "the positions of the graph's rotary embeddings"],
    [settings.contextLength, "the model's context"],
  ] as const;
  for (const [length, what] of bounds)
    if (asked !== undefined && length !== null && asked > length)
      throw inputError(
        "OPTION_OUT_OF_RANGE",
        {},
        { option: "maxLength", wanted: `at most ${length}, ${what}`, found: String(asked) },
      );
  const known = asked ?? bounds.find(([length]) => length !== null)?.[0] ?? null;
  if (known === null)
    throw inputError(
      "PACKAGE_SETTING_UNKNOWN",
      { file: settings.folder },
      { setting: "max_position_embeddings", option: "maxLength" },
    );
  return known;
}

/** Attention is alike in all layers that onnxruntime-genai runs, as far as it is told of it. */
function sizesIn({ layers, hiddenSize }: DecoderView): Sizes {
  const [first] = layers.flatMap(({ attention }) => (attention?.kind === "attention" ? [attention] : []));
  const { heads = null, kvHeads = null, headDim = null } = first?.heads ?? {};
  return { heads, kvHeads, headSize: headDim, hiddenSize };
}

/** Files that make a tokenizer, or that tfc reads beside it. */
const COMPANIONS = [
  ...[
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
  ],
  ...["merges.txt", "tokenizer.model", "chat_template.jinja", "config.json", "generation_config.json"],
];

function tell(
  { file }: PackagedModel,
  { tokens, choosesLogits, leaves, memberIds }: GenaiDecoder,
  { folder, eosIds }: ModelSettings,
  { renamed, fixed }: { readonly renamed: boolean; readonly fixed: boolean },
  sink: Sink,
): void {
  const place = { file };
  if (renamed) sink.report("PACKAGE_RENAMED", place, {});
  const [rows] = tokens.dims;
  if (typeof rows === "number" && rows > 1) sink.report("PACKAGE_ROWS", place, { rows });
  if (fixed && choosesLogits?.role === "logitCount" && rows !== 1)
    sink.report("PACKAGE_LAST_LOGITS", place, {});
  if (leaves.length > 0) sink.report("PACKAGE_ADAPTER_INPUTS", place, { count: leaves.length });
  if (memberIds !== null) sink.report("PACKAGE_MEMBER_INPUT", place, { name: memberIds.name });
  if (!existsSync(join(folder, "tokenizer.json"))) sink.report("PACKAGE_NO_TOKENIZER", { file: folder }, {});
  if (eosIds.length === 0) sink.report("PACKAGE_NO_END", { file: folder }, {});
}

interface Written {
  readonly config: object;
  /** Whether the graph is another one than that of the file. */
  readonly changed: boolean;
  /** The folder with the tokenizer. */
  readonly from: string;
}

async function write(
  packaged: PackagedModel,
  { config, changed, from }: Written,
  { output, weights = "link", progress }: PackageGenaiOptions,
  sink: Sink,
): Promise<readonly string[]> {
  const leader = join(output, "genai_config.json");
  if (existsSync(leader) && resolve(leader) === resolve(from, "genai_config.json"))
    throw inputError("OUTPUT_IS_INPUT", { file: packaged.file }, { file: leader });
  const files = new OutputFiles(leader);
  const companions = COMPANIONS.map((name) => [join(from, name), join(output, name)] as const).filter(
    ([source, target]) => existsSync(source) && resolve(source) !== resolve(target),
  );
  const stamps = stampsOf(companions.map(([source]) => source));
  try {
    files.prepare(leader);
    await stageModel(packaged, {
      graph: join(output, "model.onnx"),
      ...{ files, sink, weights, changed },
      ...(progress === undefined ? {} : { progress }),
    });
    const tokenizer = tokenizerForGenai(join(from, "tokenizer.json"));
    const target = join(output, "tokenizer.json");
    await files.copy(companions.filter(([, to]) => tokenizer === null || to !== target));
    if (tokenizer !== null) await stageTokenizer(files, tokenizer, target, from, sink);
    const text = `${JSON.stringify(config, null, 2)}\n`;
    await files.stage(leader, (temporary) => files.write(temporary, [Buffer.from(text)]));
    const written = files.files;
    await files.commit(() => {
      checkUnchanged(new Map([...stamps, ...packaged.stamps]));
    });
    return written;
  } catch (error) {
    files.discard();
    throw error;
  }
}

/** A tokenizer that genai would read otherwise is written in its terms; never over the model's own. */
async function stageTokenizer(
  files: OutputFiles,
  text: string,
  target: string,
  from: string,
  sink: Sink,
): Promise<void> {
  if (resolve(from, "tokenizer.json") === resolve(target)) {
    sink.report("PACKAGE_TOKENIZER_DIFFERS", { file: target }, {});
    return;
  }
  sink.report("PACKAGE_TOKENIZER_WRITTEN", { file: target }, {});
  await files.stage(target, (temporary) => files.write(temporary, [Buffer.from(text)]));
}
