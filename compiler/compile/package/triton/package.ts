import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Diagnostic } from "../../../diagnostics/diagnostic.ts";
import { inputError } from "../../../diagnostics/error.ts";
import type { Sink } from "../../../diagnostics/sink.ts";
import { lookAt } from "../../../onnx/open-failure.ts";
import { OutputFiles, type Progress } from "../../../onnx/output.ts";
import { checkUnchanged } from "../../../onnx/stamp.ts";
import { LOWERED_KEY } from "../../../ops/providers.ts";
import { checkGiven, holds, oneOf, type Check, type Checks } from "../../check-given.ts";
import { reporting } from "../../reporting.ts";
import { openPackaged, type PackagedModel } from "../graph.ts";
import { packageWeightModes, stageModel, type PackageWeights } from "../stage.ts";
import { tritonConfig, type ModelConfig, type TritonDevice } from "./config.ts";
import { configText, parseConfig } from "./text.ts";

/** What to package for Triton, and how. */
export interface PackageTritonOptions {
  /** A model's .onnx file, or its folder. */
  readonly input: string;
  /** The model repository: the folder that Triton is started with. Other models in it stay as they are. */
  readonly output: string;
  /** The model's name. Default: its file's, or its folder's where the file is called model.onnx. */
  readonly name?: string;
  /** Default 1. Other versions stay, and share the weights that are equal. */
  readonly version?: number;
  /** Where instances run. Default: what the graph was lowered for, else Triton's choice, a GPU where there is one. */
  readonly device?: TritonDevice;
  /** Rows of a batch at most, where the graph takes batches. Default 8. */
  readonly maxBatch?: number;
  /** `link` gives the files a second name, where the disk can; `copy` copies them. Default `link`. */
  readonly weights?: PackageWeights;
  /** Is told how many bytes of a file have been written, and of how many. */
  readonly progress?: Progress;
}

/** What {@link packageTriton} made. */
export interface PackageTritonReport {
  /** The graph, absolute. */
  readonly input: string;
  readonly name: string;
  readonly version: number;
  /** The model's folder in the repository, absolute. */
  readonly folder: string;
  /** 0: requests are not joined to batches. */
  readonly maxBatch: number;
  /** Why requests are not joined to batches; null where they are. */
  readonly unbatched: string | null;
  /** Who keeps the cache from token to token: Triton, as the state of a sequence, or the client, which sends it along. */
  readonly cache: "triton" | "client" | "none";
  /** Files written or linked, absolute. */
  readonly files: readonly string[];
  /** Warnings and notes. */
  readonly diagnostics: readonly Diagnostic[];
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const MOST = 2 ** 31 - 1;

const count: Check = [
  `a whole number from 1 to ${MOST}`,
  (value) => Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MOST,
];

export const tritonDevices = ["cpu", "cuda"] as const satisfies readonly TritonDevice[];

const checks: Checks<PackageTritonOptions> = {
  input: holds.model,
  output: holds.path,
  name: ["letters, digits, _, - and .", (value) => typeof value === "string" && NAME.test(value)],
  version: count,
  device: oneOf(tritonDevices),
  maxBatch: count,
  weights: oneOf(packageWeightModes),
  progress: holds.callback,
};

/**
 * Puts a model into a model repository of NVIDIA Triton, for its onnxruntime backend: `NAME/config.pbtxt` and
 * `NAME/VERSION/model.onnx` with its weights. Everything is written, or nothing.
 *
 * @throws TfcError PACKAGE_REFUSED; PACKAGE_VERSION_DIFFERS, PACKAGE_CONFIG_INVALID of a configuration that is there;
 *   EXTERNAL_DATA_MISSING, FILE_NOT_WRITABLE, and others of a model that cannot be read
 */
export function packageTriton(options: PackageTritonOptions): Promise<PackageTritonReport> {
  return reporting((sink) => packageWith(options, sink));
}

async function packageWith(options: PackageTritonOptions, sink: Sink): Promise<PackageTritonReport> {
  checkGiven(options, checks, "packageTriton", ["input", "output"]);
  const packaged = openPackaged(options.input, sink);
  const name = options.name ?? nameOf(packaged.file);
  const folder = resolve(options.output, name);
  const version = options.version ?? 1;
  const versions = versionsIn(folder);
  const others = versions.filter((one) => one !== version);
  const configFile = join(folder, "config.pbtxt");
  const there = existsSync(configFile) ? parseConfig(readFileSync(configFile, "utf8"), configFile) : null;
  // That of the one version that is replaced was made for it; any other somebody wrote, or versions that stay need it.
  const known = others.length > 0 || !versions.includes(version) ? there : null;
  const made = tritonConfig(packaged, {
    name,
    device: options.device ?? loweredFor(packaged),
    maxBatch: options.maxBatch ?? batchOf(known) ?? DEFAULT_BATCH,
  });
  const config = known === null ? made.config : joined(known, made.config, options, version, configFile);
  if (made.cache === "client") sink.report("PACKAGE_CACHE_SENT", { file: packaged.file }, {});
  const files = await write(packaged, { folder, version, others, configFile, config }, options, sink);
  return {
    ...{ input: packaged.file, name, version, folder, maxBatch: config.max_batch_size },
    ...{ unbatched: made.unbatched, cache: made.cache, files, diagnostics: sink.diagnostics },
  };
}

/** Rows of a batch where nothing says how many. */
const DEFAULT_BATCH = 8;

/** The rows of a configuration's batches; null of one without. */
function batchOf(known: ModelConfig | null): number | null {
  return known !== null && known.max_batch_size > 0 ? known.max_batch_size : null;
}

interface Target {
  readonly folder: string;
  readonly version: number;
  readonly others: readonly number[];
  readonly configFile: string;
  readonly config: ModelConfig;
}

async function write(
  packaged: PackagedModel,
  { folder, version, others, configFile, config }: Target,
  { weights = "link", progress }: PackageTritonOptions,
  sink: Sink,
): Promise<readonly string[]> {
  const files = new OutputFiles(configFile);
  const text = configText(config);
  try {
    files.prepare(configFile);
    await stageModel(packaged, {
      graph: join(folder, String(version), "model.onnx"),
      ...{ files, sink, weights, changed: false },
      shareWith: others.map((one) => join(folder, String(one))),
      ...(progress === undefined ? {} : { progress }),
    });
    // What says the same already stays, with the comments that are in it.
    if (!saysTheSame(configFile, text))
      await files.stage(configFile, (temporary) => files.write(temporary, [Buffer.from(text)]));
    const written = files.files;
    await files.commit(() => {
      checkUnchanged(packaged.stamps);
    });
    return written;
  } catch (error) {
    files.discard();
    throw error;
  }
}

/** Whether a configuration that is there means what another text does. */
function saysTheSame(file: string, text: string): boolean {
  if (!existsSync(file)) return false;
  try {
    return configText(parseConfig(readFileSync(file, "utf8"), file)) === configText(parseConfig(text, file));
  } catch {
    return false;
  }
}

/** Versions of one model have one configuration: what is there stays, but for what was asked for. */
function joined(
  known: ModelConfig,
  made: ModelConfig,
  { device, maxBatch }: PackageTritonOptions,
  version: number,
  file: string,
): ModelConfig {
  const difference = interfaceDifference(known, made);
  if (difference !== null) throw inputError("PACKAGE_VERSION_DIFFERS", { file }, difference);
  const { specific } = (known.version_policy ?? {}) as {
    readonly specific?: { readonly versions?: readonly number[] };
  };
  const versions = [...new Set([...(specific?.versions ?? []), version])].sort((a, b) => a - b);
  return {
    ...known,
    ...(specific === undefined ? {} : { version_policy: { specific: { versions } } }),
    ...(maxBatch === undefined ? {} : { max_batch_size: made.max_batch_size }),
    ...(device === undefined ? {} : { instance_group: made.instance_group ?? [] }),
    ...(device === undefined || made.optimization === undefined ? {} : { optimization: made.optimization }),
  };
}

/** What tensors of two configurations differ in; null where none do. */
function interfaceDifference(
  known: ModelConfig,
  made: ModelConfig,
): { readonly name: string; readonly wanted: string; readonly found: string } | null {
  const [before, now] = [tensorsOf(known), tensorsOf(made)];
  for (const name of new Set([...before.keys(), ...now.keys()])) {
    const [wanted = "none", found = "none"] = [before.get(name), now.get(name)];
    if (wanted !== found) return { name, wanted, found };
  }
  return null;
}

function tensorsOf({
  max_batch_size,
  input = [],
  output = [],
  sequence_batching,
}: ModelConfig): ReadonlyMap<string, string> {
  const rows = max_batch_size > 0 ? "rows of " : "";
  const text = (use: string, type: string, dims: readonly number[]): string =>
    `${use} ${rows}${type} [${dims.join(", ")}]`;
  return new Map([
    ...input.map((one) => [one.name, text("input", one.data_type, one.dims)] as const),
    ...output.map((one) => [one.name, text("output", one.data_type, one.dims)] as const),
    ...(sequence_batching?.state ?? []).map(
      (one) => [one.input_name, text(`state ${one.output_name}`, one.data_type, one.dims)] as const,
    ),
  ]);
}

/** `smollm2` for smollm2/model.onnx, `decoder` for decoder.onnx, with what a name may not have as _. */
function nameOf(file: string): string {
  const stem = basename(file).replace(/(\.tfc)?\.onnx$/, "");
  const name = /^model$/i.test(stem) ? basename(dirname(file)) : stem;
  const fit = name.replace(/[^A-Za-z0-9_.-]+/g, "_").replace(/^[.-]+/, "");
  return fit === "" ? "model" : fit;
}

function loweredFor({ model }: PackagedModel): TritonDevice | null {
  const provider = model.meta.get(LOWERED_KEY);
  return tritonDevices.find((device) => device === provider) ?? null;
}

/** The versions of a model that lie in its folder: numbers that do not begin with 0. */
function versionsIn(folder: string): number[] {
  if (lookAt(folder)?.isDirectory() !== true) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && /^[1-9]\d*$/.test(entry.name))
    .map((entry) => Number(entry.name))
    .filter((version) => existsSync(join(folder, String(version), "model.onnx")));
}
