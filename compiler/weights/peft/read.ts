import { join } from "node:path";
import { inputError, type TfcError } from "../../diagnostics/error.ts";
import { lookAt } from "../../onnx/open-failure.ts";
import { MAGNITUDE } from "../../adapters/dora.ts";
import type { AdapterFile } from "../adapter-file.ts";
import { makeParts, type Hints } from "../parts.ts";
import { BASE_KEY } from "../fingerprint.ts";
import { readPeftConfig, type PeftConfig } from "./config.ts";
import { peftTargets, type PeftTargets } from "./targets.ts";
import { openSafetensors } from "../safetensors/weights.ts";
import { moduleOf, projectionsIn, siteName } from "../../sites/names.ts";
import { OUTSIDE, type SiteKind, type SiteRef } from "../../sites/site.ts";
import { sortWeights, type Draft, type StateDict } from "../names/sort.ts";
import { readStateDict } from "../names/state-dict.ts";

/** The names of a PEFT folder's files. */
export const peftFiles = {
  config: "adapter_config.json",
  weights: "adapter_model.safetensors",
  /** What PEFT wrote before safetensors. */
  oldWeights: "adapter_model.bin",
} as const;

/**
 * Reads a folder that PEFT saved. What the config asks for and what the weights are must agree: PEFT itself would warn
 * and leave weights out.
 *
 * @throws TfcError as {@link readPeftConfig}, {@link sortWeights} and {@link makeParts} do; PEFT_CONTRADICTS with the
 *   weight or module; FILE_NOT_FOUND where there are no weights
 */
export function readPeftAdapter(folder: string, hints: Hints): AdapterFile {
  const config = readPeftConfig(join(folder, peftFiles.config));
  const targets = peftTargets(config);
  const { file, weights, base } = openWeights(folder);
  const { drafts, overrides } = sortWeights(file, weights);
  const modules = new Map(drafts.map((draft) => [moduleOfDraft(file, draft), draft]));
  for (const [module, draft] of modules) {
    if (!isTied(config, draft, drafts)) checkTarget(file, module, draft, targets);
    checkMagnitude(file, config, draft);
  }
  checkWhole(file, config, targets, [...modules]);
  checkSaved(file, config, [...overrides.keys()]);
  const ranks = new Map([...modules].map(([module, draft]) => [draft, module]));
  const stated = (draft: Draft): Readonly<Record<string, unknown>> => ({
    alpha: targets.alphaOf(ranks.get(draft) ?? ""),
    rslora: config.rslora,
    ...(config.dora ? { dora: true } : {}),
  });
  return {
    file: folder,
    format: "peft",
    parts: makeParts(file, drafts, stated, hints),
    overrides,
    headFollows: false,
    base,
    expects: expectation(targets, [...modules]),
  };
}

/** Which sites the config puts LoRA beside, of those that the file has in some layer. */
function expectation(
  targets: PeftTargets,
  modules: readonly (readonly [string, Draft])[],
): (site: SiteRef) => boolean {
  // A model's projections are those of a packed module, where the file has them so.
  const known = new Map<SiteKind, string>(
    modules.flatMap(([module, { site }]) =>
      [site.site, ...projectionsIn(site.site)].map((one) => [one, module] as const),
    ),
  );
  return ({ layer, copy, site }) => {
    const module = known.get(site);
    return module !== undefined && copy === 0 && targets.reasonAgainst(inLayer(module, layer)) === null;
  };
}

/** The module of the same name in another layer. */
function inLayer(module: string, layer: number): string {
  return module.replace(/(^|\.)(layers|blocks|h)\.\d+\./, `$1$2.${layer}.`);
}

function openWeights(folder: string): { file: string; weights: StateDict; base: string | null } {
  const [file, old] = [join(folder, peftFiles.weights), join(folder, peftFiles.oldWeights)];
  if (lookAt(file) !== null) {
    const { tensors, metadata } = openSafetensors(file);
    return { file, weights: tensors, base: metadata.get(BASE_KEY) ?? null };
  }
  if (lookAt(old) !== null) return { file: old, weights: readStateDict(old), base: null };
  throw inputError(
    "FILE_NOT_FOUND",
    { file: folder },
    { file, found: `neither it nor ${peftFiles.oldWeights}` },
  );
}

/** The module's name in the base model, which PEFT's rules are about. */
function moduleOfDraft(file: string, { names, kind }: Draft): string {
  const [name = ""] = names.values();
  if (kind.name !== "lora") throw contradicts(file, name, "leaves of LoRA alone", `a leaf of ${kind.name}`);
  const ending =
    /\.(?:lora_[AB](?:\.[^.]+)?\.weight|lora_embedding_[AB](?:\.[^.]+)?|lora_magnitude_vector(?:\..*)?)$/;
  return name.replace(/^base_model\.model\./, "").replace(ending, "");
}

/** PEFT gives a tied head the LoRA of the embeddings with `ensure_weight_tying`, and saves it as if it were its own. */
function isTied({ tiesHead }: PeftConfig, { site }: Draft, drafts: readonly Draft[]): boolean {
  return tiesHead && site.site === "lm_head" && drafts.some((draft) => draft.site.site === "embed_tokens");
}

function checkTarget(file: string, module: string, { leaves, names }: Draft, targets: PeftTargets): void {
  const name = names.values().next().value ?? module;
  const against = targets.reasonAgainst(module);
  if (against !== null)
    throw contradicts(file, name, "leaves of target_modules alone", `${module}, which ${against}`);
  const rank = targets.rankOf(module);
  const found = leaves.get("lora_A.weight")?.shape[0];
  if (found === undefined || found === rank) return;
  throw contradicts(file, names.get("lora_A.weight") ?? name, `rank ${rank}, by the config`, `rank ${found}`);
}

/** PEFT would begin with the norms of the base where a magnitude is missing, and pass over one that it does not ask for. */
function checkMagnitude(file: string, { dora }: PeftConfig, { leaves, names, site }: Draft): void {
  const name = names.get(MAGNITUDE) ?? siteName(site);
  if (dora === leaves.has(MAGNITUDE)) return;
  const wanted = dora ? "a lora_magnitude_vector at every module, as use_dora says" : "use_dora: true";
  throw contradicts(
    file,
    name,
    wanted,
    dora ? "none at this one" : "a lora_magnitude_vector, and use_dora off",
  );
}

/**
 * Whether every module has its leaves that PEFT would have put LoRA beside, as far as the weights show which modules
 * there are: the projections of some block are those of each block of its kind. Whether a layer has such a block is
 * the model's to say, unless the config lists the layer: one that mixes tokens by a convolution has no attention.
 */
function checkWhole(
  file: string,
  config: PeftConfig,
  targets: PeftTargets,
  modules: readonly (readonly [string, Draft])[],
): void {
  const found = new Set(modules.map(([, { site }]) => siteName(site)));
  const kinds = new Map(modules.map(([module, { site }]) => [site.site, { module, site }]));
  const blocks = new Set(modules.map(([, { site }]) => blockKey(site.layer, site.site)));
  for (const layer of layersToCheck(config, modules)) {
    for (const { module, site } of kinds.values()) {
      const name = inLayer(module, layer);
      if (config.layers.length === 0 && !blocks.has(blockKey(layer, site.site))) continue;
      if (found.has(siteName({ ...site, layer })) || targets.reasonAgainst(name) !== null) continue;
      throw contradicts(file, name, "leaves of every module in target_modules", "none of this one");
    }
  }
}

/** A layer and which of its blocks a site is in: `3 self_attn`. */
function blockKey(layer: number, site: SiteKind): string {
  return `${layer} ${moduleOf(site).replace(/\..*/, "")}`;
}

function layersToCheck(
  { layers }: PeftConfig,
  modules: readonly (readonly [string, Draft])[],
): readonly number[] {
  if (layers.length > 0) return layers;
  const seen = new Set(modules.map(([, { site }]) => site.layer).filter((layer) => layer !== OUTSIDE));
  // As many as there are: the first one that is missing is among them, and a wild number costs nothing.
  return [...new Set([...Array(seen.size).keys(), ...seen])];
}

/** PEFT saves a module of its own for each name, and cannot load without it. */
function checkSaved(file: string, { modulesToSave }: PeftConfig, overrides: readonly string[]): void {
  for (const name of modulesToSave) {
    const isThere = overrides.some((weight) =>
      // `_set_trainable` (utils/other.py) goes by the end of the name, without regard to dots.
      prefixesOf(weight).some((module) => module.endsWith(name)),
    );
    if (!isThere)
      throw contradicts(file, name, "weights of every module in modules_to_save", "none of this one");
  }
}

/** `a`, `a.b`, … of `a.b.weight`. */
function prefixesOf(weight: string): readonly string[] {
  const segments = weight.split(".");
  return segments.slice(0, -1).map((_, i) => segments.slice(0, i + 1).join("."));
}

function contradicts(file: string, name: string, wanted: string, found: string): TfcError {
  return inputError("PEFT_CONTRADICTS", { file, name }, { wanted, found });
}
