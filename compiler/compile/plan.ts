import { injectAdapters, replaceLinears, type Entry, type Residence } from "../../passes/index.ts";
import { freshAdapters } from "../adapters/index.ts";
import { inputError, type TfcError } from "../diagnostics/error.ts";
import type { HalfType } from "../ir/dtype.ts";
import { sharesCaches, whyUnshared } from "../ops/attention-kernels.ts";
import type { KvForm } from "../ops/kv.ts";
import type { LogitsForm } from "../ops/logits.ts";
import type { Provider } from "../ops/providers.ts";
import { selects } from "../sites/selector.ts";
import type { AdapterFile, AdapterPart } from "../weights/adapter-file.ts";
import { halfTypes, portTypes } from "./dtypes.ts";
import type { BlockSettings } from "../weights/nbits/settings.ts";
import type { AdapterEntry, CompileOptions } from "./options.ts";
import { quantizeSettings } from "./quantize.ts";
import { impliedIn, type Implied } from "./implied.ts";
import { trainPlanOf, type TrainPlan } from "./train.ts";

/** What options ask for. */
export interface Plan {
  /** Fresh adapters. */
  readonly entries: readonly Entry[];
  readonly replace: readonly Entry[];
  /** Files with parts that nobody but they themselves says to replace something, and how many. */
  readonly implied: readonly Implied[];
  /** Trained adapters that replace projections; null where replaced ones begin afresh. */
  readonly replacing: readonly AdapterFile[] | null;
  /** Trained adapters beside blocks and projections. */
  readonly beside: readonly AdapterFile[];
  /** The trained adapter that brings weights of the base. */
  readonly override: AdapterFile | null;
  readonly residence: Residence;
  readonly members: number;
  readonly seed: number;
  /** The execution provider to lower for; null where nothing is lowered. */
  readonly provider: Provider | null;
  /** Whose kernels run the graph: that provider, or the one that the base was lowered for before; null where it is open. */
  readonly target: Provider | null;
  /** The type that the model is converted to; null for none. */
  readonly dtype: HalfType | null;
  /** The type of its inputs and outputs; null for the model's. */
  readonly ioDtype: HalfType | "float" | null;
  /** How many rows the graph is to take; null for as many as it does. */
  readonly batch: number | null;
  /** Whether its one row holds tokens only. */
  readonly unpadded: boolean;
  readonly kv: KvForm;
  /** Positions in a shared cache; null where caches are concatenated, and until the model says its context. */
  readonly maxLength: number | null;
  /** How many positions a run can ask for; null where the model does not say, and until it does. */
  readonly positions: number | null;
  readonly lowerPagedAttention: boolean;
  /** Whether q, k and v, and gate and up, become one product each. */
  readonly pack: boolean;
  /** How weights are quantized; null where they are not. */
  readonly quantize: BlockSettings | null;
  /** How positions are chosen whose logits are computed; null for all. */
  readonly lastLogits: LogitsForm | null;
  /** Whether the graph becomes a loop that generates. */
  readonly decodeLoop: boolean;
  /** What the graph is to train; null where it does not. */
  readonly train: TrainPlan | null;
  /** All files of trained adapters, for their base, and the paths that they were read from. */
  readonly given: readonly AdapterFile[];
  readonly sources: readonly string[];
}

/** What options ask for of fresh adapters, checked before anything is read. */
type Asked = Pick<Plan, "entries" | "replace" | "residence">;

/**
 * Makes a plan of options: all that can be refused without the model is refused here.
 *
 * @throws TfcError OPTION_*, and what reading adapters throws
 */
export async function planOf(options: CompileOptions): Promise<Plan> {
  const train = trainPlanOf(options);
  refuseWithoutProvider(options);
  refusePadding(options);
  if (options.decodeLoop === true && options.lastLogits === "rows")
    throw conflict("lastLogits: rows", "`decodeLoop`, which looks at the last position");
  const asked = askedFor(options);
  if (train !== null) requireTrained(options, train, asked);
  const quantize = quantizeSettings(options);
  const { files, sources } = await readGiven(options);
  const implied = impliedIn(files, asked.replace);
  const replace = [...asked.replace, ...implied.flatMap(({ entry }) => entry)];
  const override = overrideOf(files, options.input);
  const divides = files.length > 0 && replace.length > 0;
  // Weights for what is replaced are taken out of those for what stands beside.
  const [replacing, beside] = divides ? shared(files, replace) : [null, files];
  const plan = {
    ...{ ...asked, replace, implied },
    replacing,
    beside,
    override,
    members: options.members ?? 1,
    seed: options.seed ?? injectAdapters.options.seed.default,
    provider: options.for ?? null,
    target: options.for ?? null,
    dtype: options.dtype === undefined ? null : halfTypes[options.dtype],
    ioDtype: options.ioDtype === undefined ? null : portTypes[options.ioDtype],
    quantize,
    pack: options.pack === true,
    batch: options.batch ?? null,
    unpadded: options.unpadded === true,
    kv: options.kv ?? "concat",
    maxLength: options.maxLength ?? null,
    positions: null,
    lowerPagedAttention: options.lowerPagedAttention === true,
    lastLogits: logitsFormOf(options.lastLogits),
    decodeLoop: options.decodeLoop === true,
    train,
    given: files,
    sources,
  };
  if (train !== null && train.dropout > 0 && !hasLora(plan))
    throw inputError("OPTION_UNUSED", {}, { option: "dropout", needs: "LoRA (`adapter: lora`)" });
  if (!hasAdapters(plan) && plan.residence !== "baked")
    throw conflict(`residence: ${plan.residence}`, "a `load` that has nothing beside what is replaced");
  // What trains is an input, wherever adapters are otherwise.
  return train === null ? plan : { ...plan, residence: "inputs" };
}

/** A graph that updates has something to update. @throws TfcError TRAIN_NOTHING */
function requireTrained(
  options: CompileOptions,
  { emit, base }: TrainPlan,
  { entries, replace }: Asked,
): void {
  const hasParameters = entries.length > 0 || replace.length > 0 || (options.load ?? []).length > 0;
  if (!hasParameters && base === null && emit !== "loss") throw inputError("TRAIN_NOTHING", {}, {});
}

function logitsFormOf(given: CompileOptions["lastLogits"] = false): LogitsForm | null {
  if (typeof given === "string") return given;
  return given ? "count" : null;
}

/** Whether adapters stand beside something. */
export function hasAdapters({ entries, beside }: Pick<Plan, "entries" | "beside">): boolean {
  return entries.length > 0 || beside.some(({ parts }) => parts.length > 0);
}

/** Whether some of them are LoRA. */
function hasLora({ entries, beside }: Pick<Plan, "entries" | "beside">): boolean {
  const fresh = entries.map(({ kind }) => freshAdapters.get(kind)?.kind.name);
  const loaded = beside.flatMap(({ parts }) => parts.map(({ kind }) => kind));
  return [...fresh, ...loaded].includes("lora");
}

/** Refuses what is said about caches where none are written anew. @throws TfcError OPTION_UNUSED, KV_SHARED_REFUSED */
function refuseWithoutProvider({ input, for: provider, kv, maxLength }: CompileOptions): void {
  if (kv !== undefined && provider === undefined)
    throw inputError("OPTION_UNUSED", {}, { option: "kv", needs: "`for`" });
  if (maxLength !== undefined && kv !== "shared")
    throw inputError("OPTION_UNUSED", {}, { option: "maxLength", needs: "`kv: shared`" });
  if (kv === "shared" && provider !== undefined && !sharesCaches(provider))
    throw inputError("KV_SHARED_REFUSED", { file: input }, { why: whyUnshared(provider) });
}

/** Rows of one run end together, and padding makes them alike: only one row can do without. @throws TfcError OPTION_* */
function refusePadding({ unpadded, batch }: CompileOptions): void {
  if (unpadded !== true || batch === 1) return;
  if (batch === undefined) throw inputError("OPTION_UNUSED", {}, { option: "unpadded", needs: "`batch: 1`" });
  throw conflict("unpadded", `\`batch: ${batch}\`: several rows are made alike by padding`);
}

const inBank = {
  wanted: "adapters alone: a bank has one base for all its members",
  why: "a bank of several adapters, one of which brings weights of the base",
  fix: "compile this checkpoint by itself, or take the weight out of it",
};

/** @throws TfcError OVERRIDE_REFUSED for a bank that brings weights of the base */
function overrideOf(given: readonly AdapterFile[], model: string): AdapterFile | null {
  const override = given.find(({ overrides }) => overrides.size > 0) ?? null;
  if (override !== null && given.length > 1) {
    const [name = ""] = override.overrides.keys();
    throw inputError("OVERRIDE_REFUSED", { file: override.file, name }, { model, ...inBank });
  }
  return override;
}

/** Trained adapters, and the files they are read from. Their formats are loaded only where there are any. */
async function readGiven({ load = [], settings = {}, replace = [] }: CompileOptions): Promise<{
  readonly files: readonly AdapterFile[];
  readonly sources: readonly string[];
}> {
  if (load.length === 0) return { files: [], sources: [] };
  const { readAdapter, readFiles } = await import("../weights/read-adapter.ts");
  // What is said of replaced projections is said of their weights, and those come from the files.
  const hints = replace.reduce((all, entry) => agreed(all, entry.settings ?? {}), settings);
  return {
    files: load.map((path) => readAdapter(path, hints)),
    sources: load.flatMap((path) => readFiles(path)),
  };
}

/** Both together, where they do not contradict each other. */
function agreed(one: Hints, other: Hints): Hints {
  const differing = Object.keys(other).find((name) => name in one && one[name] !== other[name]);
  if (differing === undefined) return { ...one, ...other };
  const [a, b] = [one, other].map((hints) => `${differing}: ${String(hints[differing])}`) as [string, string];
  throw conflict(a, `${b}, with \`load\``);
}

type Hints = NonNullable<AdapterEntry["settings"]>;

function askedFor(options: CompileOptions): Asked {
  if (options.ioDtype !== undefined && options.dtype === undefined)
    throw inputError("OPTION_UNUSED", {}, { option: "ioDtype", needs: "`dtype`" });
  const { load = [], settings = {}, residence = "baked" } = options;
  const asksForFresh =
    options.adapter !== undefined || options.sites !== undefined || options.entries !== undefined;
  if (load.length > 0 && asksForFresh) throw conflict("load", "`adapter`, `sites` or `entries`");
  if (load.length > 1 && residence !== "bank")
    throw conflict("load", `\`residence: ${residence}\` where it has several`, SEVERAL);
  if ((options.members ?? 1) > 1) checkMembers(options);
  if (options.adapters === false && (load.length > 0 || asksForFresh))
    throw conflict("adapters: false", load.length > 0 ? "`load`" : "`adapter` or `sites`");
  const replace = entriesIn(replaceLinears.options.entries, options.replace ?? [], "replace");
  const isFresh = load.length === 0 && options.adapters !== false && (replace.length === 0 || asksForFresh);
  if (!isFresh && load.length === 0) refuseWithout(options);
  const one: AdapterEntry = {
    kind: options.adapter ?? DEFAULT_KIND,
    ...(options.sites === undefined ? {} : { sites: options.sites }),
    settings,
  };
  return {
    entries: isFresh ? freshEntries(options.entries, one) : [],
    replace,
    residence,
  };
}

/** Of several members, which only a bank of fresh adapters has. @throws TfcError OPTION_UNUSED, OPTION_CONFLICT */
function checkMembers({ adapters, residence, load = [] }: CompileOptions): void {
  if (adapters === false) throw conflict("members", "`adapters: false`");
  if (load.length > 0) throw conflict("members", "`load`: a bank holds what is loaded");
  // Nobody has said `baked` who has said nothing.
  if (residence === undefined)
    throw inputError("OPTION_UNUSED", {}, { option: "members", needs: "`residence: bank`" });
  if (residence !== "bank") throw conflict("members", `\`residence: ${residence}\``);
}

/** @param one what the other options make, where no entries are listed */
function freshEntries(listed: CompileOptions["entries"], one: AdapterEntry): readonly Entry[] {
  const { entries } = injectAdapters.options;
  return listed === undefined ? entries.check(one, "") : entriesIn(entries, listed, "entries");
}

const DEFAULT_KIND = "scalarlm";

/** Entries are checked before any pass works, so that a bad flag is said at once. */
function entriesIn(
  option: typeof injectAdapters.options.entries,
  entries: readonly (AdapterEntry | Omit<AdapterEntry, "kind">)[],
  label: string,
): readonly Entry[] {
  return entries.length === 0 ? [] : option.check(entries, label);
}

/** Refuses what is said about adapters where there are none. */
function refuseWithout({ settings = {}, residence = "baked", adapters }: CompileOptions): void {
  const why = adapters === false ? "`adapters: false`" : "`replace` without `adapter`, `sites` or `load`";
  const [setting] = Object.keys(settings);
  if (setting !== undefined) throw conflict(setting, why);
  if (residence !== "baked") throw conflict(`residence: ${residence}`, why);
}

const SEVERAL = "give `residence: bank`, which holds several adapters, or load one of them";

function conflict(option: string, other: string, fix?: string): TfcError {
  return inputError("OPTION_CONFLICT", {}, { option, other, ...(fix === undefined ? {} : { fix }) });
}

/** Files as what replaces has them, and as what stands beside has them. */
function shared(
  given: readonly AdapterFile[],
  replace: readonly Entry[],
): readonly [readonly AdapterFile[], readonly AdapterFile[]] {
  const isReplaced = ({ site, kind }: AdapterPart): boolean =>
    kind === "pattention" && replace.some(({ sites }) => sites.some((selector) => selects(selector, site)));
  const having = (keep: (part: AdapterPart) => boolean): AdapterFile[] =>
    given.map((file) => ({ ...file, parts: file.parts.filter(keep) }));
  // What a configuration says of a file's modules holds for all its parts together.
  const replacing = having(isReplaced).map(({ file, format, parts, overrides, headFollows, base }) => ({
    ...{ file, format, parts, overrides, headFollows, base },
  }));
  return [replacing, having((part) => !isReplaced(part)).filter(({ parts }) => parts.length > 0)];
}
