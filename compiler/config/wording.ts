import { adapterKinds, optionsOfKind } from "../adapters/index.ts";
import { diagnosticText, type Diagnostic } from "../diagnostics/diagnostic.ts";

/** Options that are no flag of their own name. */
const flags: ReadonlyMap<string, string> = new Map([
  ["output", "-o"],
  ["residence", "--adapters"],
  ["adapters: false", "--no-adapters"],
  ["entries", "adapters of a configuration"],
  ["lastLogits: rows", "--logit-rows"],
  ["for: scalarlm", "--scalarlm"],
]);

/** Options whose flag is their name. */
const named: ReadonlySet<string> = new Set([
  ...[
    "adapter",
    "sites",
    "load",
    "members",
    "replace",
    "seed",
    "force",
    "weights",
    "strict",
    "for",
    "kv",
    "batch",
    "unpadded",
  ],
  ...[
    "decodeLoop",
    "lowerPagedAttention",
    "bindings",
    "maxLength",
    "allowMissingWeights",
    "dumpAfter",
    "tolerance",
    "adapterIds",
    "check",
    "size",
    "cases",
  ],
  ...["format", "base", "step", "layout", "provider"],
  ...["tokenizer", "device", "name", "version", "maxBatch"],
  ...["topK", "topP", "minP", "temperature", "repetitionPenalty", "maxNewTokens", "stop"],
  ...["dtype", "ioDtype", "quantize", "block", "symmetric", "pack", "lastLogits"],
  ...[...adapterKinds.values()].flatMap((kind) => Object.keys(optionsOfKind(kind))),
]);

/** What the running command calls options that another one has another flag for. */
let own: ReadonlyMap<string, string> = new Map();
/** The flags of the running command, by the names of their options, and how it is typed: `adapter ls`. */
let running: { readonly flags: ReadonlyMap<string, string>; readonly path: string } | null = null;

/** Has messages speak of a command by what it is typed as, and of its options by its flags, until the next begins. */
export function speakAs(path: string, flags: ReadonlyMap<string, string>): void {
  running = { path, flags };
}

/** Has messages speak of some options by a command's own flags, until the next command begins. */
export function speakOf(names: ReadonlyMap<string, string>): void {
  own = names;
}

/** Begins a command line, which is of no command yet. */
export function speakOfNone(): void {
  own = new Map();
  running = null;
}

/**
 * A message in the words of the command line. The library speaks of options by name, as `rank` or
 * `residence: bank`; here these are `--rank` and `--adapters bank`.
 */
export function inFlags(text: string): string {
  return text.replace(/`([^`]+)`/g, (quoted, said: string) => {
    const [name = "", value] = said.split(": ");
    // Some values are flags of their own.
    const whole = own.get(said) ?? flags.get(said);
    if (whole !== undefined) return whole;
    const flag =
      own.get(name) ??
      flags.get(name) ??
      running?.flags.get(name) ??
      (named.has(name) ? `--${kebab(name)}` : null);
    if (flag !== null) return value === undefined ? flag : `${flag} ${value}`;
    // A flag that the command line named itself, and the place of a setting in a configuration.
    return /^--|^[\w$]+[.[]/.test(said) ? said : quoted;
  });
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A diagnostic in the words of the command line. */
export function spoken(d: Diagnostic): Diagnostic {
  const { what, wanted, found } = d;
  // A function of the library does not know which command it is called for.
  const fix =
    d.code === "USAGE" && running !== null
      ? d.fix?.replace("see tfc --help", `see tfc ${running.path} --help`)
      : d.fix;
  // What a configuration says is called what it is called there.
  if (d.code.startsWith("OPTION_") && d.place.file !== undefined) return plain(d);
  return {
    ...d,
    what: inFlags(what),
    ...(wanted === undefined ? {} : { wanted: inFlags(wanted) }),
    ...(found === undefined ? {} : { found: inFlags(found) }),
    ...(fix === undefined ? {} : { fix: inFlags(fix) }),
  };
}

function plain(d: Diagnostic): Diagnostic {
  return { ...d, what: d.what.replaceAll("`", ""), ...(d.fix && { fix: d.fix.replaceAll("`", "") }) };
}

/** As a terminal shows it. */
export function spokenText(d: Diagnostic): string {
  return diagnosticText(spoken(d));
}
