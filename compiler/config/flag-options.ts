import { ALL_REPLACED, fixBatch, injectAdapters } from "../../passes/index.ts";
import { freshAdapters, freshNames } from "../adapters/index.ts";
import { pattention } from "../adapters/pattention.ts";
import type { CompileOptions } from "../compile/compile.ts";
import { halfNames, portNames } from "../compile/dtypes.ts";
import { weightModes } from "../compile/place-weights.ts";
import { quantizations } from "../compile/quantize.ts";
import { inputError } from "../diagnostics/error.ts";
import { kvForms } from "../ops/kv.ts";
import { providers } from "../ops/providers.ts";
import { choice, integer, type Option } from "../pass/options.ts";
import { siteList } from "../sites/selector.ts";
import { blockSizes } from "../weights/nbits/settings.ts";
import { kindOptions } from "./kind-options.ts";
import type { ConfigOptions } from "./read.ts";
import { trainOf, type TrainFlags } from "./train-options.ts";

/** Flags of `tfc compile`, as they are read: text where they take a value. */
export interface CompileFlags extends TrainFlags, Readonly<Record<string, unknown>> {
  readonly output?: string;
  readonly config?: string;
  readonly weights?: string;
  readonly ioDtype?: string;
  readonly symmetric?: boolean;
  readonly pack?: boolean;
  readonly unpadded?: boolean;
  readonly maxLength?: string;
  readonly decodeLoop?: boolean;
  readonly lowerPagedAttention?: boolean;
  readonly bindings?: string;
  readonly lastLogits?: boolean;
  readonly logitRows?: boolean;
  /** False for --no-adapters, a residence for --adapters. */
  readonly adapters?: string | boolean;
  readonly load?: readonly string[];
  /** True for --replace without sites. */
  readonly replace?: string | boolean;
  readonly strict?: boolean;
  readonly force: boolean;
  readonly allowMissingWeights: boolean;
  readonly dumpAfter?: string;
  readonly json: boolean;
}

const weightOption = choice({ help: "where the base's weights go", default: "link", of: weightModes });
const providerOption = choice({ help: "the execution provider", default: "cpu", of: [...providers] });
const dtypeOption = choice({ help: "the type to convert to", default: "fp16", of: halfNames });
const ioDtypeOption = choice({ help: "the type of inputs and outputs", default: "fp32", of: portNames });
const quantizeOption = choice({ help: "bits of a weight", default: "int4", of: quantizations });
const blockOption = choice({ help: "inputs that share a scale", default: "32", of: blockSizes.map(String) });
const kvOption = choice({ help: "how caches are kept", default: "concat", of: [...kvForms] });
const lengthOption = integer({ help: "positions in a shared cache", default: 0, min: 1, max: 2 ** 31 - 1 });
const batchOption = fixBatch.options.batch;
const kindOption = choice({ help: "adapter kind", default: "scalarlm", of: [...freshNames] });
const { seed: seedOption, residence: residenceOption, members: membersOption } = injectAdapters.options;

/** What flags, and a configuration behind them, ask for. @throws TfcError OPTION_* */
export function optionsOf(input: string, flags: CompileFlags, config: ConfigOptions): CompileOptions {
  const settings: Record<string, unknown> = {};
  for (const [name, { option }] of kindOptions()) {
    if (flags[name] !== undefined) settings[name] = option.check(flags[name], `--${name}`);
  }
  const given = <T>(option: Option<T>, name: string, value = flags[name]): Record<string, T> =>
    value === undefined ? {} : { [name]: option.check(value, `--${name}`) };
  const isAsked = ["adapter", "sites", "load", "replace"].some((name) => flags[name] !== undefined);
  // What a flag asks for stands in the place of all that a configuration says about adapters.
  const { entries, load, replace, residence, members, ...others } = config;
  const configured = isAsked || flags.adapters === false ? {} : defined({ entries, load, replace });
  const [flag] = Object.keys(settings);
  const isListed =
    configured.entries !== undefined || (configured.replace !== undefined && configured.load === undefined);
  if (flag !== undefined && isListed) {
    const other = "a configuration that lists its adapters, without --adapter or --sites";
    throw inputError("OPTION_CONFLICT", {}, { option: `--${flag}`, other });
  }
  const { adapters, sites, maxLength } = flags;
  const divided = dividedSettings(flags, settings);
  // How many a bank holds is of no meaning where a flag asks for something else.
  const isBank = typeof adapters !== "string" || adapters === "bank";
  return {
    input,
    ...others,
    ...configured,
    ...(hasAdapters(flags) ? defined({ residence, members: isBank ? members : undefined }) : {}),
    ...plainOf(flags),
    ...trainOf(flags),
    ...given(kindOption, "adapter"),
    ...(sites === undefined ? {} : { sites: sitesText(sites) }),
    ...given(seedOption, "seed"),
    ...given(membersOption, "members"),
    ...given(weightOption, "weights"),
    ...given(providerOption, "for"),
    ...given(dtypeOption, "dtype"),
    ...(flags.ioDtype === undefined ? {} : { ioDtype: ioDtypeOption.check(flags.ioDtype, "--io-dtype") }),
    ...given(quantizeOption, "quantize"),
    ...(flags["block"] === undefined ? {} : { block: Number(blockOption.check(flags["block"], "--block")) }),
    ...given(batchOption, "batch"),
    ...given(kvOption, "kv"),
    ...(maxLength === undefined ? {} : { maxLength: lengthOption.check(maxLength, "--max-length") }),
    ...(typeof adapters === "string" ? { residence: residenceOption.check(adapters, "--adapters") } : {}),
    ...(adapters === false ? { adapters } : {}),
    ...(flags.replace === undefined ? {} : { replace: [replaced(flags.replace, divided.replaced)] }),
    ...(Object.keys(divided.beside).length === 0 ? {} : { settings: divided.beside }),
    force: flags.force,
    allowMissingWeights: flags.allowMissingWeights,
  };
}

/** Flags that are options as they stand. */
function plainOf(flags: CompileFlags): Partial<CompileOptions> {
  const { output, load, symmetric, pack, unpadded, decodeLoop, lowerPagedAttention, bindings, strict } =
    flags;
  const plain = {
    output,
    load,
    symmetric,
    pack,
    unpadded,
    decodeLoop,
    lowerPagedAttention,
    bindings,
    strict,
  };
  return defined({ ...plain, lastLogits: lastLogitsIn(flags) });
}

function lastLogitsIn({ lastLogits, logitRows }: CompileFlags): CompileOptions["lastLogits"] {
  if (lastLogits === true && logitRows === true)
    throw inputError("OPTION_CONFLICT", {}, { option: "--last-logits", other: "--logit-rows" });
  return logitRows === true ? "rows" : lastLogits;
}

/** Checked here, so that the message names the flag. */
function sitesText(sites: unknown): string {
  siteList({ help: "" }).check(sites, "--sites");
  return String(sites);
}

/** Whether flags leave adapters to be somewhere: where, and how many, a configuration may still say. */
function hasAdapters(flags: CompileFlags): boolean {
  const isReplacing = flags.replace !== undefined;
  return flags.adapters !== false && (!isReplacing || isFresh(flags) || flags.load !== undefined);
}

function isFresh(flags: CompileFlags): boolean {
  return flags["adapter"] !== undefined || flags["sites"] !== undefined;
}

type Settings = Readonly<Record<string, unknown>>;

function replaced(sites: string | boolean, settings: Settings): { sites: string; settings: Settings } {
  const text = typeof sites === "string" ? sites : ALL_REPLACED;
  siteList({ help: "" }).check(text, "--replace");
  return { sites: text, settings };
}

/** Which settings are for what is replaced, which for what stands beside; what both kinds have is for both. */
function dividedSettings(
  flags: CompileFlags,
  settings: Settings,
): { readonly replaced: Settings; readonly beside: Settings } {
  if (flags.replace === undefined) return { replaced: {}, beside: settings };
  if (!isFresh(flags) && flags.load === undefined) return { replaced: settings, beside: {} };
  const only = (isMeant: (name: string) => boolean): Settings =>
    Object.fromEntries(Object.entries(settings).filter(([name]) => isMeant(name)));
  const isReplacing = (name: string): boolean => Object.hasOwn(pattention.options, name);
  const asked = freshAdapters.get(kindOption.check(flags["adapter"] ?? kindOption.default, "--adapter"));
  const beside = asked?.kind.options ?? {};
  // With --load, settings say what its files leave out, whatever is replaced.
  const isBeside = (name: string): boolean =>
    flags.load !== undefined || Object.hasOwn(beside, name) || !isReplacing(name);
  return { replaced: only(isReplacing), beside: only(isBeside) };
}

/** Without what is undefined, which stands for what nobody said. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
