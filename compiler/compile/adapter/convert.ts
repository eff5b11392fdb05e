import { inputError } from "../../diagnostics/error.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Sink } from "../../diagnostics/sink.ts";
import { widthIn } from "../../recognize/model/widths.ts";
import { siteName } from "../../sites/names.ts";
import { adapterFormats, type AdapterFile, type AdapterFormat } from "../../weights/adapter-file.ts";
import { BASE_KEY, checkBase, fingerprintText, parseFingerprint } from "../../weights/fingerprint.ts";
import { unpackedParts, type WidthOf } from "../../weights/packed.ts";
import { onnxAdapterLayouts, type OnnxAdapterLayout } from "../../weights/onnx-adapter/layout.ts";
import { readAdapter, type Hints } from "../../weights/read-adapter.ts";
import { baseFingerprint } from "../base-fingerprint.ts";
import { checkGiven, holds, oneOf, type Checks } from "../check-given.ts";
import { openDecoder } from "../open-decoder.ts";
import { reportOutputPath } from "../output-path.ts";
import { reporting } from "../reporting.ts";
import { checkServedFolder, formatForServer } from "./for-server.ts";
import { listingOf, type AdapterListing } from "./list.ts";
import {
  checkEnding,
  checkFormatOption,
  formatBy,
  formatEndings,
  outputFiles,
  writeOutput,
} from "./output.ts";

/** What to convert, and to what. */
export interface ConvertOptions {
  /** An adapter in any format: a file or folder. */
  readonly input: string;
  /** The file, or the folder for `peft`. */
  readonly output: string;
  /** Default: by the output's ending (`.safetensors`, `.pt`, `.onnx_adapter`), or what `for` loads. */
  readonly format?: AdapterFormat;
  /**
   * A folder for a server of ScalarLM: with a checkpoint, or, of LoRA, as PEFT writes it and vLLM loads it. What the server
   * would ignore or compute otherwise is refused, or reported.
   */
  readonly for?: AdapterServer;
  /** What the input does not say of itself, such as `{ alpha: 16 }`. */
  readonly settings?: Hints;
  /**
   * The model that the adapter was trained for: the output will say so, where its format can, and a PEFT folder has the
   * modules of its Hugging Face model (`qkv_proj`), which config.json beside it tells.
   */
  readonly base?: string;
  /** Says so, too, where the input names another base. */
  readonly force?: boolean;
  /** The training step that a checkpoint (`torch`) is named by. Default 0. */
  readonly step?: number;
  /** The graphs that an `.onnx_adapter` is for. Default `tfc`. */
  readonly layout?: OnnxAdapterLayout;
}

/** What {@link convertAdapter} did. */
export interface ConvertReport {
  /** What was read, with the base that the output names. */
  readonly adapter: AdapterListing;
  readonly output: string;
  /** The format that was written. */
  readonly format: AdapterFormat;
  /** Files written. */
  readonly files: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The words for {@link AdapterServer}. */
export const adapterServers = ["scalarlm"] as const;
/** A server that loads adapters. */
export type AdapterServer = (typeof adapterServers)[number];

const checks: Checks<ConvertOptions> = {
  input: holds.path,
  output: holds.path,
  format: oneOf(adapterFormats),
  for: oneOf(adapterServers),
  settings: holds.settings,
  base: holds.model,
  force: holds.yesNo,
  step: ["a whole number from 0", (value) => Number.isSafeInteger(value) && Number(value) >= 0],
  layout: oneOf(onnxAdapterLayouts),
};

/**
 * Writes an adapter in another format. Its weights are read one after the other; all files are written, or none, and
 * never over what is read.
 *
 * @throws TfcError USAGE where the output's ending tells none; OPTION_UNUSED, OPTION_UNKNOWN; OUTPUT_IS_INPUT;
 *   ADAPTER_FORMAT_CANNOT with the site or weight that the format has no place for; OPTION_CONFLICT and
 *   OUTPUT_OTHER_CHECKPOINT for what a server cannot be given; BASE_MISMATCH and
 *   ADAPTER_SITE_MISSING where `base` is another model; FILE_NOT_WRITABLE; what reading the adapter throws
 *
 * @example
 * ```ts
 * await convertAdapter({ input: "trained/peft", output: "adapter.safetensors", base: "model.onnx" });
 * ```
 */
export function convertAdapter(options: ConvertOptions): Promise<ConvertReport> {
  return reporting((sink) => convert(options, sink));
}

async function convert(options: ConvertOptions, sink: Sink): Promise<ConvertReport> {
  checkGiven(options, checks, "convertAdapter", ["input", "output"]);
  const { input, output, settings, base, force = false, step, layout } = options;
  reportOutputPath(output, sink);
  if (force && base === undefined)
    throw inputError("OPTION_UNUSED", {}, { option: "force", needs: "`base`" });
  const early = options.for === undefined ? formatOf(options) : null;
  const read = readAdapter(input, settings);
  const adapter = base === undefined ? { ...read, widthOf: () => null } : withBase(read, base, force, sink);
  const format = early ?? formatServed(options, adapter, sink);
  if (step !== undefined) checkFormatOption("step", format, "torch");
  if (layout !== undefined) checkFormatOption("layout", format, "onnx_adapter");
  const to = {
    path: output,
    format,
    options: { ...(step === undefined ? {} : { step }), ...(layout === undefined ? {} : { layout }) },
  };
  const files = outputFiles(input, to);
  const { file, parts } = adapter;
  const isByInput = format === "onnx_adapter" && (layout ?? "tfc") === "tfc";
  const written = { ...adapter, parts: isByInput ? unpackedParts({ file, parts }, adapter.widthOf) : parts };
  await writeOutput(written, files, to);
  return { adapter: listingOf(adapter), output, format, files, diagnostics: sink.diagnostics };
}

/** @throws TfcError OPTION_CONFLICT where the output is no folder, or a format is given, too */
function formatServed(
  { format, output, step }: ConvertOptions,
  read: AdapterFile,
  sink: Sink,
): AdapterFormat {
  if (format !== undefined) {
    const fix = "leave one of them out";
    throw inputError("OPTION_CONFLICT", {}, { option: "for: scalarlm", other: `\`format: ${format}\``, fix });
  }
  const served = formatForServer(read, sink);
  if (formatBy(output) !== null) {
    const fix = "give a folder of its own";
    throw inputError("OPTION_CONFLICT", {}, { option: "for: scalarlm", other: `a file: ${output}`, fix });
  }
  if (served === "torch") checkServedFolder(output, step === undefined ? {} : { step });
  return served;
}

function formatOf({ format, output }: ConvertOptions): AdapterFormat {
  const found = format ?? formatBy(output);
  if (found !== null) {
    checkEnding(output, found);
    return found;
  }
  const what = `\`format\` is needed: ${output} does not end with ${[...formatEndings.keys()].join(", ")}`;
  throw inputError("USAGE", {}, { what });
}

/** An adapter with what is known of its base. */
interface Based extends AdapterFile {
  readonly widthOf: WidthOf;
}

/**
 * An adapter of a model: with the model's fingerprint, of a compiled one that of its base.
 *
 * @throws TfcError BASE_MISMATCH where the adapter says that it belongs to another one, unless forced;
 *   ADAPTER_SITE_MISSING where it has more layers than the model
 */
function withBase(adapter: AdapterFile, model: string, force: boolean, sink: Sink): Based {
  const { file, base, parts } = adapter;
  const { model: opened, view, diagnostics } = openDecoder(model);
  sink.diagnostics.push(...diagnostics);
  const found = baseFingerprint(model, opened, view);
  const known = parseFingerprint(opened.meta.get(BASE_KEY) ?? "");
  // What is compiled may have another type than its base: the base's own numbers are those that are kept.
  const own = known === null ? found : { ...found, samples: known.samples };
  if (!force) checkBase({ file, base }, own);
  const outside = parts.find(({ site }) => site.layer >= own.layers);
  if (outside !== undefined) {
    const site = siteName(outside.site);
    throw inputError("ADAPTER_SITE_MISSING", { file, name: site }, { site, model });
  }
  return { ...adapter, base: fingerprintText(own), widthOf: (site) => widthIn(view, site) };
}
