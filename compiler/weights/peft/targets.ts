import type { TfcError } from "../../diagnostics/error.ts";
import { jsonText } from "../json-values.ts";
import { invalid, type PeftConfig } from "./config.ts";
import { PatternTable } from "./pattern-table.ts";
import { Patience, PythonPattern, WHOLE } from "./python-pattern.ts";

/** Whether, and with what, PEFT puts LoRA beside a module, by a config. Modules are named as in the base model. */
export interface PeftTargets {
  /** Null where it does; else why it does not, as a phrase. */
  readonly reasonAgainst: (module: string) => string | null;
  readonly rankOf: (module: string) => number;
  readonly alphaOf: (module: string) => number;
}

/**
 * The rules of PEFT 0.21: `check_target_module_exists` (tuners/tuners_utils.py) says which modules are targets,
 * `get_pattern_key` (utils/other.py) which key of rank_pattern or alpha_pattern holds for one: the first that matches
 * `(.*\.)?(key)$`.
 *
 * @throws TfcError PEFT_CONFIG_INVALID for a pattern that cannot be read here
 */
export function peftTargets(config: PeftConfig): PeftTargets {
  const { file } = config;
  const patience = new Patience();
  const compile = (field: string, before: string, pattern: string, after: string): Tester => {
    const compiled = PythonPattern.compile(before, pattern, after, patience);
    if (compiled === null) throw unreadable(file, field, pattern);
    return (module) => {
      const match = compiled.exec(module);
      if (match === undefined)
        throw invalid(file, field, "patterns that are matched in a second", jsonText(pattern));
      return match;
    };
  };
  const pick = (
    field: string,
    patterns: ReadonlyMap<string, number>,
    usual: number,
  ): ((module: string) => number) => {
    const compiled = new PatternTable(
      [...patterns].map(([key, value]) => {
        const test = compile(field, "^(?:(.*\\.)?(", key, ")$)");
        return { key, value, matches: (module: string) => test(module) !== null };
      }),
    );
    return (module) => compiled.valueOf(module) ?? usual;
  };
  const full = (field: string, pattern: string): Tester => compile(field, WHOLE, pattern, ")$");
  return {
    reasonAgainst: reasons(config, compile, full),
    rankOf: pick("rank_pattern", config.rankPattern, config.r),
    alphaOf: pick("alpha_pattern", config.alphaPattern, config.alpha),
  };
}

function unreadable(file: string, field: string, pattern: string): TfcError {
  const wanted = "a regular expression that Python and JavaScript both have";
  const fix = `write it without flags such as (?x) and escapes that only Python has, or ${
    field.endsWith("_pattern") ? "give the modules' full names" : "list the modules' names in its place"
  }`;
  return invalid(file, field, wanted, jsonText(pattern), { fix });
}

type Tester = (module: string) => readonly (string | undefined)[] | null;
type Compile = (field: string, before: string, pattern: string, after: string) => Tester;

function reasons(
  { excluded, targets, modulesToSave, layers, layersPattern }: PeftConfig,
  compile: Compile,
  full: (field: string, pattern: string) => Tester,
): (module: string) => string | null {
  const excludedNames = new Set(typeof excluded === "string" ? [] : excluded);
  const layerNumbers = new Set(layers);
  const excludes = typeof excluded === "string" && excluded !== "" ? full("exclude_modules", excluded) : null;
  const saved = modulesToSave.map((name) =>
    compile("modules_to_save", "^(?:(?:^|.*\\.)", name, "(?:$|\\..*))"),
  );
  const includes =
    // PEFT writes down the modules that it found for this word; the word itself means every linear but the head.
    typeof targets === "string" && targets !== "all-linear" ? full("target_modules", targets) : null;
  const listed = typeof targets === "string" || targets === null ? null : new Set(targets);
  const layerOf = layerFinder(layersPattern, compile);
  return (module) => {
    const isExcluded =
      typeof excluded === "string" ? (excludes?.(module) ?? null) !== null : isNamed(excludedNames, module);
    if (isExcluded) return "is in exclude_modules";
    if (saved.some((test) => test(module) !== null)) return "is in modules_to_save";
    if (includes !== null) return includes(module) === null ? "does not match target_modules" : null;
    // A module that is listed by its full name is one whatever its layer.
    if (listed?.has(module) === true) return null;
    if (listed !== null && !isNamed(listed, module)) return "is not in target_modules";
    if (layers.length === 0) return null;
    const layer = layerOf(module);
    return layer !== null && layerNumbers.has(layer) ? null : "is in no layer of layers_to_transform";
  };
}

/** Whether a module has one of some names, or ends with one behind a dot. */
function isNamed(names: ReadonlySet<string>, module: string): boolean {
  if (names.has(module)) return true;
  for (let dot = module.indexOf("."); dot >= 0; dot = module.indexOf(".", dot + 1))
    if (names.has(module.slice(dot + 1))) return true;
  return false;
}

/** The layer of a module: its first numbered part, or the one behind a pattern. */
function layerFinder(patterns: readonly string[], compile: Compile): (module: string) => number | null {
  const finders =
    patterns.length === 0
      ? [compile("layers_pattern", "^", ".*?\\.[^.]*\\.(\\d+)\\.", "")]
      : patterns.map((pattern) => compile("layers_pattern", "^(?:(?:^|.*?\\.)", pattern, "\\.(\\d+)\\.)"));
  return (module) => {
    for (const find of finders) {
      const match = find(module);
      // The layer's group is the last one, whatever groups a pattern has.
      if (match !== null) return Number(match.at(-1));
    }
    return null;
  };
}
