import { EMBEDDINGS, isHeadMissing } from "../metadata.ts";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { MAGNITUDE } from "../../adapters/dora.ts";
import { inputError, type TfcError } from "../../diagnostics/error.ts";
import type { AdapterFile, AdapterPart } from "../adapter-file.ts";
import { peftFiles } from "./read.ts";
import type { SiteKind } from "../../sites/site.ts";
import { finiteBytes, namedWeights, type Stage } from "../file-weights.ts";
import { packedParts } from "../packed-modules.ts";
import { BASE_KEY, parseFingerprint } from "../fingerprint.ts";
import { layoutSafetensors, writeSafetensors } from "../safetensors/safetensors.ts";
import { isOutside, projectionsIn, moduleOf, siteName } from "../../sites/names.ts";

/** What PEFT puts before the names of the base model. */
const PREFIX = "base_model.model.";

/**
 * Writes a folder that PEFT loads beside any Hugging Face Llama, with the modules of the adapter's base where it says
 * that they hold several projections.
 *
 * @throws TfcError ADAPTER_FORMAT_CANNOT for what is not LoRA of a projection, and for weights of the base that
 *   LoRA stands beside, but those of embeddings and head; ADAPTER_NOT_FINITE; FILE_NOT_WRITABLE; what reading a leaf throws
 */
export async function writePeftAdapter(given: AdapterFile, folder: string, files: Stage): Promise<void> {
  const adapter = { ...given, parts: packedParts(given) };
  const { file, base } = adapter;
  const own = sortOverrides(adapter);
  const config = peftConfig(adapter, own);
  const weights = new Map(
    [...namedWeights(adapter)].map(([name, tensor]) => [own.names.get(name) ?? nameIn(name), tensor]),
  );
  const metadata = new Map([["format", "pt"], ...(base === null ? [] : [[BASE_KEY, base] as const])]);
  const entries = [...weights].map(([name, { dtype, shape }]) => ({
    name: `${PREFIX}${name}`,
    dtype,
    shape,
  }));
  const layout = layoutSafetensors(entries, metadata);
  await files.stage(join(folder, peftFiles.config), (temporary) => {
    writeFileSync(temporary, `${JSON.stringify(config, null, 2)}\n`);
  });
  await files.stage(join(folder, peftFiles.weights), (temporary) =>
    writeSafetensors(temporary, layout, (name) => {
      const inModel = name.slice(PREFIX.length);
      return finiteBytes(file, inModel, weights.get(inModel));
    }),
  );
}

/** Of an embedding PEFT has the two matrices as parameters of another name. */
function nameIn(name: string): string {
  return name.replace(/\.embed_tokens\.lora_([AB])\.weight$/, ".embed_tokens.lora_embedding_$1");
}

interface Scale {
  readonly rank: number;
  readonly alpha: number;
}

function peftConfig({ file, parts, base }: AdapterFile, { modulesToSave, bias }: SortedOverrides): object {
  const scales = new Map<string, Scale>();
  const rslora = parts.every(({ settings }) => settings["rslora"] === true);
  for (const part of parts) scales.set(moduleOfPart(file, part), scaleOf(part, rslora));
  const ranks = patternOf(scales, ({ rank }) => rank);
  const alphas = patternOf(scales, ({ alpha }) => alpha);
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: null,
    inference_mode: true,
    r: ranks.usual,
    lora_alpha: alphas.usual,
    use_rslora: rslora,
    rank_pattern: ranks.others,
    alpha_pattern: alphas.others,
    ...targetsOf(parts, [...scales.keys()], parseFingerprint(base ?? "")?.layers),
    modules_to_save: modulesToSave.length === 0 ? null : modulesToSave,
    init_lora_weights: true,
    lora_dropout: 0,
    bias,
    fan_in_fan_out: false,
    use_dora: isDora(file, parts),
  };
}

function moduleOfPart(file: string, { site, kind }: AdapterPart): string {
  const name = siteName(site);
  if (kind !== "lora") throw cannot(file, name, `an adapter of kind ${kind}`);
  if ((projectionsIn(site.site).length === 0 && !isOutside(site.site)) || site.copy !== 0)
    throw cannot(file, name, "LoRA beside what is no linear projection");
  return name;
}

/** PEFT has DoRA at all modules of an adapter, or at none. */
function isDora(file: string, parts: readonly AdapterPart[]): boolean {
  const [one, other] = [true, false].map((dora) =>
    parts.find(({ leaves }) => leaves.has(MAGNITUDE) === dora),
  );
  if (one !== undefined && other !== undefined)
    throw cannot(file, siteName(other.site), "LoRA without magnitudes beside DoRA of other modules");
  return one !== undefined;
}

/** With rsLoRA at some sites only, theirs is said with another alpha: α/√r is α√r / r. */
function scaleOf({ settings }: AdapterPart, isRslora: boolean): Scale {
  const { rank, alpha, rslora } = settings as unknown as Scale & { readonly rslora: boolean };
  return { rank, alpha: rslora && !isRslora ? alpha * Math.sqrt(rank) : alpha };
}

/** The number that most modules have, and what the others have, by names that PEFT's patterns know them by. */
function patternOf(
  scales: ReadonlyMap<string, Scale>,
  pick: (scale: Scale) => number,
): { usual: number; others: Readonly<Record<string, number>> } {
  const counts = new Map<number, number>();
  for (const scale of scales.values()) counts.set(pick(scale), (counts.get(pick(scale)) ?? 0) + 1);
  const [[usual] = [0]] = [...counts].sort(([, a], [, b]) => b - a);
  const others: Record<string, number> = {};
  for (const [module, scale] of scales) {
    if (pick(scale) === usual) continue;
    const projection = lastOf(module);
    const alike = [...scales].filter(([other]) => lastOf(other) === projection);
    const isWhole = alike.every(([, other]) => pick(other) === pick(scale));
    others[isWhole ? projection : module] = pick(scale);
  }
  return { usual, others };
}

function lastOf(module: string): string {
  return module.slice(module.lastIndexOf(".") + 1);
}

/**
 * By projection and layer where all layers are alike, else by the modules' full names.
 *
 * @param count layers of the base; where it is not known, layers from the first on are taken for all
 */
function targetsOf(parts: readonly AdapterPart[], modules: readonly string[], count?: number): object {
  const [inside, outside] = [false, true].map((is) =>
    parts.filter(({ site }) => isOutside(site.site) === is),
  );
  const sitesOf = (some: readonly AdapterPart[] = []): readonly SiteKind[] => [
    ...new Set(some.map(({ site }) => site.site)),
  ];
  const projections = sitesOf(inside);
  const layers = [...new Set(inside?.map(({ site }) => site.layer))].sort((a, b) => a - b);
  const isAll = layers.every((layer, i) => layer === i) && layers.length === (count ?? layers.length);
  // What is in no layer is in none of layers_to_transform.
  if (projections.length * layers.length !== inside?.length || (!isAll && outside?.length !== 0)) {
    return { target_modules: modules, layers_to_transform: null };
  }
  return {
    target_modules: [...projections, ...sitesOf(outside)].map((site) => lastOf(moduleOf(site))),
    layers_to_transform: isAll ? null : layers,
  };
}

/** What PEFT does with weights of the base. */
interface SortedOverrides {
  /** Modules that it trains and saves whole, beside LoRA and not under it. */
  readonly modulesToSave: readonly string[];
  /** Whether it trains the biases of LoRA's modules, or all of them. */
  readonly bias: "none" | "lora_only" | "all";
  /** Names that it gives to weights of modules under LoRA. */
  readonly names: ReadonlyMap<string, string>;
}

function sortOverrides(adapter: AdapterFile): SortedOverrides {
  const { file, parts, overrides } = adapter;
  if (adapter.headFollows && isHeadMissing(adapter))
    throw cannot(file, EMBEDDINGS, "embeddings that a head which shares them follows");
  const adapted = new Set(parts.map(({ site }) => siteName(site)));
  const outside = new Set(parts.flatMap(({ site }) => (isOutside(site.site) ? [siteName(site)] : [])));
  const modulesToSave = new Set<string>();
  const names = new Map<string, string>();
  let bias: SortedOverrides["bias"] = "none";
  for (const name of overrides.keys()) {
    const module = name.slice(0, name.lastIndexOf("."));
    const isBias = name.endsWith(".bias");
    if (!adapted.has(module)) {
      // A module without the override of its weight has one of its bias alone.
      if (!isBias || overrides.has(`${module}.weight`)) modulesToSave.add(module);
      else bias = "all";
      continue;
    }
    if (!isBias) {
      // Of embeddings and head under LoRA PEFT saves the base's weights along, and of no other module.
      if (!outside.has(module)) throw cannot(file, name, "a weight of the base that LoRA stands beside, too");
      names.set(name, `${module}.base_layer.weight`);
      continue;
    }
    names.set(name, `${module}.base_layer.bias`);
    if (bias === "none") bias = "lora_only";
  }
  return { modulesToSave: [...modulesToSave], bias, names };
}

function cannot(file: string, name: string, what: string): TfcError {
  return inputError("ADAPTER_FORMAT_CANNOT", { file, name }, { format: "a PEFT folder", what });
}
