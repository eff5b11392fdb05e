import { MAGNITUDE } from "../../adapters/dora.ts";
import { adapterKinds } from "../../adapters/index.ts";
import { inputError } from "../../diagnostics/error.ts";
import { isFloat, type DType } from "../../ir/dtype.ts";
import type { AdapterFile, AdapterPart } from "../adapter-file.ts";
import { hintsFor, inFile, makeParts, shapesOf, type Hints } from "../parts.ts";
import { finite, finiteBytes, type Stage } from "../file-weights.ts";
import { coefficientsIn, rounded } from "../coefficients.ts";
import { encodeNumbers, numbersOf } from "../convert.ts";
import { forMatMul, fromMatMul, isForMatMul, withoutReader, type OnnxAdapterLayout } from "./layout.ts";
import { readOnnxAdapter, writeOnnxAdapter } from "./read.ts";
import { siteOfModule } from "../names/parameters.ts";
import { isOutside, isPacked, siteKey, siteName } from "../../sites/names.ts";
import { sortWeights, type Draft } from "../names/sort.ts";
import { sizeOf, type WeightTensor } from "../weight.ts";

/**
 * Reads an adapter whose parameters are the graph inputs of a model compiled with adapters as inputs: leaves
 * `{site}.{leaf}` and coefficients `{site}.{coefficient}`. The coefficients are read, the leaves are not. LoRA without
 * a coefficient is taken as Olive and onnxruntime-genai write it where its shapes say so.
 *
 * @throws TfcError as {@link readOnnxAdapter}, {@link sortWeights} and {@link makeParts} do; ADAPTER_WEIGHT_UNKNOWN
 *   for a coefficient without leaves, ADAPTER_SHAPE_INVALID for one that is not one number
 */
export function readOnnxAdapterFile(file: string, hints: Hints): AdapterFile {
  const { parameters } = readOnnxAdapter(file);
  const weights = new Map<string, WeightTensor>();
  const coefficients = new Map<string, Coefficient>();
  for (const [name, tensor] of parameters) {
    const key = coefficientKey(name);
    if (key === null) weights.set(withoutReader(name), tensor);
    else if (!coefficients.has(key))
      coefficients.set(key, { name, value: numberIn(file, name, tensor), dtype: tensor.dtype });
    else throw inputError("ADAPTER_LEAF_TWICE", { file, name }, { first: coefficients.get(key)?.name ?? "" });
  }
  const sorted = sortWeights(file, weights);
  const { overrides } = sorted;
  const isTurned = coefficients.size === 0 && isForMatMul(sorted.drafts);
  const drafts = isTurned ? sorted.drafts.map(fromMatMul) : sorted.drafts;
  const stated = (draft: Draft): Readonly<Record<string, unknown>> =>
    isTurned ? unscaled(draft) : statedBy(file, draft, coefficients, hints);
  const parts = makeParts(file, drafts, stated, hints);
  for (const { name } of coefficients.values()) {
    throw inputError(
      "ADAPTER_WEIGHT_UNKNOWN",
      { file, name },
      { what: "a coefficient of no adapter", more: 0 },
    );
  }
  return { file, format: "onnx_adapter", parts, overrides, headFollows: true, base: null };
}

/** Settings of LoRA whose scale is in B: one of 1. */
function unscaled({ kind, leaves }: Draft): Readonly<Record<string, unknown>> {
  return kind.settingsFrom({ scaling: 1 }, leaves.get("lora_A.weight")?.shape[0] ?? 0);
}

interface Coefficient {
  readonly name: string;
  readonly value: number;
  readonly dtype: DType;
}

function coefficientKey(name: string): string | null {
  const at = name.lastIndexOf(".");
  const coefficient = name.slice(at + 1);
  const site = at < 0 ? null : siteOfModule(name.slice(0, at));
  if (site === null) return null;
  const isKnown = [...adapterKinds.values()].some(({ neutral }) => Object.hasOwn(neutral, coefficient));
  return isKnown ? `${siteKey(site)}.${coefficient}` : null;
}

function numberIn(file: string, name: string, tensor: WeightTensor): number {
  if (!isFloat(tensor.dtype)) throw inputError("ADAPTER_DTYPE", { file, name }, { dtype: tensor.dtype });
  if (sizeOf(tensor) !== 1) {
    const found = `[${tensor.shape.join(", ")}]`;
    throw inputError("ADAPTER_SHAPE_INVALID", { file, name }, { wanted: "one number, [1]", found });
  }
  return numbersOf(finiteBytes(file, name, tensor), tensor.dtype)(0);
}

/**
 * What a site's coefficients say of its settings; they are taken out of the map. Those that the kind has anyway say
 * nothing: 16 bits hold √32 so roughly that it would not be the same factor any more.
 */
function statedBy(
  file: string,
  draft: Draft,
  coefficients: Map<string, Coefficient>,
  hints: Hints,
): Readonly<Record<string, unknown>> {
  const { kind, site } = draft;
  const place = { file, name: siteName(site) };
  const shapes = shapesOf(draft);
  const own = inFile(place, () => kind.settingsOf(shapes, {}));
  const names = Object.keys(kind.coefficients(own));
  const keys = names.map((name) => [name, `${siteKey(site)}.${name}`] as const);
  const found = new Map<string, Coefficient>();
  for (const [name, key] of keys) {
    const coefficient = coefficients.get(key);
    if (coefficient === undefined) return {};
    found.set(name, coefficient);
  }
  for (const [, key] of keys) coefficients.delete(key);
  const sizes = own as Readonly<Record<string, number>>;
  const usual = kind.coefficients(kind.settingsOf(shapes, hintsFor(kind, hints)));
  const isUsual = [...found].every(
    ([name, { value, dtype }]) => value === rounded(usual[name] ?? NaN, dtype),
  );
  if (isUsual && kind.mustBeStated.length === 0) return {};
  const values = Object.fromEntries([...found].map(([name, { value }]) => [name, value]));
  return kind.settingsFrom(values, sizes[kind.size] ?? 0);
}

/**
 * Writes the parameters of an adapter by the names that the graph inputs of a compiled model have, or those of a
 * graph that Olive or onnxruntime-genai made. It is built in memory, as the format asks.
 *
 * @throws TfcError ADAPTER_FORMAT_CANNOT for overrides, which are no graph inputs, and for what is not LoRA in a layout
 *   that knows no more; ONNX_ADAPTER_UNSUPPORTED,
 *   ONNX_ADAPTER_TOO_LARGE; ADAPTER_NOT_FINITE; FILE_NOT_WRITABLE; what reading a leaf throws
 */
export async function writeOnnxAdapterFile(
  adapter: AdapterFile,
  path: string,
  files: Stage,
  layout: OnnxAdapterLayout = "tfc",
): Promise<void> {
  const { file, parts, overrides } = adapter;
  const [override] = overrides.keys();
  if (override !== undefined) {
    throw inputError(
      "ADAPTER_FORMAT_CANNOT",
      { file, name: override },
      {
        format: "an .onnx_adapter file",
        what: `a weight of the base (${overrides.size} in all), which is no input of a graph`,
        fix: "export to .safetensors, and compile the model with it",
      },
    );
  }
  const parameters = new Map(
    parts.flatMap((part) => [
      ...(layout === "tfc" ? parametersOf(file, part) : matMulsOf(file, part, layout)),
    ]),
  );
  await files.stage(path, (temporary) => {
    writeOnnxAdapter(temporary, { adapterVersion: 1, modelVersion: 1, parameters });
  });
}

function* matMulsOf(
  file: string,
  part: AdapterPart,
  layout: Exclude<OnnxAdapterLayout, "tfc">,
): Iterable<[string, WeightTensor]> {
  const name = siteName(part.site);
  const kind = adapterKinds.get(part.kind);
  if (kind === undefined || part.kind !== "lora") {
    const what = `an adapter of kind ${part.kind}`;
    throw inputError("ADAPTER_FORMAT_CANNOT", { file, name }, { format: `the layout ${layout}`, what });
  }
  if (isOutside(part.site.site)) {
    const what = "LoRA of embeddings or a head, which these graphs have none of";
    throw inputError("ADAPTER_FORMAT_CANNOT", { file, name }, { format: `the layout ${layout}`, what });
  }
  if (part.leaves.has(MAGNITUDE)) {
    const what = "DoRA, whose magnitudes are no input of a graph with LoRA";
    throw inputError("ADAPTER_FORMAT_CANNOT", { file, name }, { format: `the layout ${layout}`, what });
  }
  const dtype = part.leaves.get("lora_B.weight")?.dtype ?? "float";
  const scale = coefficientsIn(dtype, kind, part.settings, { file, name }).get("scaling") ?? 1;
  for (const [parameter, tensor] of forMatMul(part, scale, layout))
    yield [parameter, finite(file, parameter, tensor)];
}

function* parametersOf(
  file: string,
  { site, kind, settings, leaves }: AdapterPart,
): Iterable<[string, WeightTensor]> {
  const place = siteName(site);
  if (isPacked(site.site)) {
    const what = "an adapter of several projections in one, which are inputs of their own in a graph";
    const fix = "name the model it is for with `base`, which says how wide its projections are";
    throw inputError("ADAPTER_FORMAT_CANNOT", { file, name: place }, { format: "the layout tfc", what, fix });
  }
  for (const [leaf, tensor] of leaves) yield [`${place}.${leaf}`, finite(file, `${place}.${leaf}`, tensor)];
  // A graph computes in one type, and takes the coefficients in it, too.
  const dtype = [...leaves.values()][0]?.dtype ?? "float";
  const known = adapterKinds.get(kind);
  if (known === undefined) return;
  for (const [name, value] of coefficientsIn(dtype, known, settings, { file, name: place })) {
    yield [
      `${place}.${name}`,
      { dtype, shape: [1], bytes: () => encodeNumbers(Float64Array.of(value), dtype) },
    ];
  }
}
