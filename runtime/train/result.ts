import { mergeDescriptions, parseDescription } from "../../compiler/adapters/description.ts";
import { adapterKinds, allLeavesOf } from "../../compiler/adapters/index.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../../compiler/adapters/kind.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { OutputFiles } from "../../compiler/onnx/output.ts";
import type { Training } from "../../compiler/ops/training.ts";
import { siteName } from "../../compiler/sites/names.ts";
import type { AdapterFile, AdapterPart } from "../../compiler/weights/adapter-file.ts";
import { BASE_KEY } from "../../compiler/weights/fingerprint.ts";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { parseParameter } from "../../compiler/weights/names/parameters.ts";
import { writeSafetensorsAdapter } from "../../compiler/weights/safetensors/adapter.ts";
import type { WeightTensor } from "../../compiler/weights/weight.ts";
import type { HostTensor, Tensors } from "../session/tensor.ts";

/**
 * Writes trained parameters as an adapter in tfc's own format: leaves with the settings that the graph says of them, and
 * weights of the base that were trained along.
 *
 * @param said what else the file's metadata are to say
 * @throws TfcError FILE_NOT_WRITABLE, ADAPTER_NOT_FINITE; ADAPTER_METADATA_INVALID
 */
export async function writeTrained(
  file: string,
  graph: string,
  training: Training,
  values: Tensors,
  said?: ReadonlyMap<string, string>,
): Promise<void> {
  const adapter = trainedAdapter(graph, training, values);
  const files = new OutputFiles(file);
  try {
    await writeSafetensorsAdapter(adapter, file, files, said);
    await files.commit();
  } catch (error) {
    files.discard();
    throw error;
  }
}

/** The adapter that parameters are. */
export function trainedAdapter(graph: string, { parameters }: Training, values: Tensors): AdapterFile {
  const metadata = readModelMetadata(graph);
  const parts = new Map<string, AdapterPart & { readonly leaves: Map<string, WeightTensor> }>();
  const overrides = new Map<string, WeightTensor>();
  const settingsAt = describedParts(graph, metadata);
  for (const { name } of parameters) {
    const tensor = weightOf(values.get(name));
    const parameter = parseParameter(name);
    if (parameter.is !== "leaf") {
      overrides.set(name, tensor);
      continue;
    }
    const { site, leaf } = parameter;
    const { kind, settings, ...place } = settingsAt(siteName(site), leaf);
    const key = `${siteName(site)} ${kind}`;
    const part = parts.get(key) ?? {
      site,
      kind,
      settings,
      ...place,
      leaves: new Map<string, WeightTensor>(),
    };
    parts.set(key, part);
    part.leaves.set(leaf, tensor);
  }
  return {
    ...{ file: graph, format: "safetensors", headFollows: true },
    parts: [...parts.values()],
    overrides,
    base: metadata.get(BASE_KEY) ?? null,
  };
}

type PartAt = (site: string, leaf: string) => Pick<AdapterPart, "kind" | "settings" | "replaces">;

/** What a graph says of the adapters at its sites: which kind has a leaf there, and its settings. */
function describedParts(graph: string, metadata: ReadonlyMap<string, string>): PartAt {
  const text = mergeDescriptions(metadata.get(ADAPTER_KEY), metadata.get(REPLACED_KEY));
  const described = parseDescription(text, (why) => invalid(graph, why));
  return (site, leaf) => {
    for (const { kind, settings, sites, replaces = false } of described.parts) {
      const known = adapterKinds.get(kind);
      if (known !== undefined && sites.includes(site) && allLeavesOf(known).includes(leaf))
        return { kind: known.name, settings, ...(replaces ? { replaces } : {}) };
    }
    throw invalid(graph, `nothing of the leaf ${JSON.stringify(leaf)} at ${site}`);
  };
}

function weightOf(tensor: HostTensor | undefined): WeightTensor {
  const data = tensor?.data;
  if (tensor === undefined || !ArrayBuffer.isView(data)) throw new Error("a parameter without a value");
  const bytes = (): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dtype: "float", shape: tensor.dims, bytes };
}

function invalid(file: string, why: string): Error {
  return inputError("ADAPTER_METADATA_INVALID", { file, name: ADAPTER_KEY }, { why, of: "model" });
}
