import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Model } from "../ir/model.ts";
import type { DecoderView } from "../recognize/decoder.ts";
import { fingerprintOf } from "../recognize/model/fingerprint.ts";
import { widthIn } from "../recognize/model/widths.ts";
import { packedKinds, type PackedKind } from "../sites/site.ts";
import { BASE_KEY, parseFingerprint, type Fingerprint, type PackedWidths } from "../weights/fingerprint.ts";
import { recordIn } from "../weights/json-values.ts";

/** What an adapter of a model says of its base: the model's fingerprint, and its packed modules where they are known. */
export function baseFingerprint(file: string, model: Model, view: DecoderView): Fingerprint {
  const packed = packedModules(file, view) ?? parseFingerprint(model.meta.get(BASE_KEY) ?? "")?.packed;
  return { ...fingerprintOf(model, view), ...(packed === undefined ? {} : { packed }) };
}

/**
 * The model types, as config.json has them, whose modules in transformers hold several projections each (`qkv_proj` or
 * `gate_up_proj` is one nn.Linear in modeling_<type>.py). A graph cannot tell: some exporters pack what the model has
 * apart, and some take apart what it has in one.
 */
const packing: Readonly<Record<string, readonly PackedKind[]>> = {
  phi3: ["qkv_proj", "gate_up_proj"],
  phi4_multimodal: ["qkv_proj", "gate_up_proj"],
  glm: ["gate_up_proj"],
  glm4: ["gate_up_proj"],
  glm4v: ["gate_up_proj"],
  glm4v_text: ["gate_up_proj"],
  glm_image_text: ["gate_up_proj"],
  glm_ocr_text: ["gate_up_proj"],
};

/**
 * The packed modules of the Hugging Face model that a graph was exported from, with the widths of their projections.
 * config.json beside the graph says which type it is, or in the folder above one that is called `onnx`; undefined
 * where there is none.
 */
function packedModules(file: string, view: DecoderView): PackedWidths | undefined {
  const type = modelType(file);
  if (type === undefined) return undefined;
  const [first] = view.layers.filter(({ copy }) => copy === 0);
  if (first === undefined || !Object.hasOwn(packing, type)) return {};
  const found = (packing[type] ?? []).map((kind) => {
    const sites = packedKinds[kind].map((site) => ({ layer: first.index, copy: 0, site }));
    return [kind, sites.map((site) => widthIn(view, site))] as const;
  });
  return Object.fromEntries(found.filter(([, widths]) => widths.every((width) => width !== null)));
}

function modelType(file: string): string | undefined {
  const folder = dirname(file);
  const folders = basename(folder) === "onnx" ? [folder, dirname(folder)] : [folder];
  const config = folders.map((one) => join(one, "config.json")).find((one) => existsSync(one));
  if (config === undefined) return undefined;
  try {
    const type = recordIn(readFileSync(config, "utf8"))?.["model_type"];
    return typeof type === "string" ? type : undefined;
  } catch {
    // What cannot be read says nothing; who needs the file says so.
    return undefined;
  }
}
