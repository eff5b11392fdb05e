import { existsSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { MAGNITUDE } from "../../adapters/dora.ts";
import { adapterKinds } from "../../adapters/index.ts";
import { inputError, type TfcError } from "../../diagnostics/error.ts";
import type { Sink } from "../../diagnostics/sink.ts";
import { siteName } from "../../sites/names.ts";
import type { AdapterFile, AdapterFormat, AdapterPart } from "../../weights/adapter-file.ts";
import { packedParts } from "../../weights/packed-modules.ts";
import { writtenFiles, type WriteOptions } from "../../weights/write-adapter.ts";

/*
 * What servers load, read in their sources. ScalarLM's takes one .pt file of a folder, whichever its system lists first,
 * and of its model_state_dict the names that hold "tokenformer" or "lm_head"; rank and heads are the server's settings,
 * and adapters stand beside modules that are called mlp (vllm/tokenformer/tokenformer_surgeon.py,
 * tokenformer_model_manager.py in its vLLM). vLLM's LoRA takes one scale for all modules, from r, lora_alpha and
 * use_rslora of a PEFT folder's config, no other weights and no DoRA (vllm/lora/peft_helper.py).
 */

/** Ranks that vLLM takes unless it is told otherwise: max_lora_rank. */
const VLLM_RANK = 16;

/**
 * The format that a server of ScalarLM, whose LoRA is vLLM's, loads an adapter in: a checkpoint, or, of LoRA, a PEFT
 * folder. Reports what the server has to be started with, and which weights it leaves out.
 *
 * @throws TfcError ADAPTER_FORMAT_CANNOT, with the site or weight, for what the server would ignore or compute otherwise
 */
export function formatForServer(adapter: AdapterFile, sink: Sink): Extract<AdapterFormat, "torch" | "peft"> {
  const { file, parts } = adapter;
  const kinds = new Set(parts.map(({ kind }) => kind));
  const other = parts.find(({ kind }) => kind !== "scalarlm" && kind !== "lora");
  if (other !== undefined)
    throw cannot(SCALARLM, file, siteName(other.site), `an adapter of kind ${other.kind}`);
  if (kinds.size > 1) throw cannot(SCALARLM, file, undefined, "LoRA and ScalarLM's adapters in one");
  if (kinds.has("lora")) {
    checkLora(adapter, sink);
    return "peft";
  }
  checkScalarlm(adapter, sink);
  return "torch";
}

/**
 * A look into the folder that a server is given.
 *
 * @throws TfcError OUTPUT_OTHER_CHECKPOINT where there is another checkpoint than the one that is written
 */
export function checkServedFolder(folder: string, options: WriteOptions): void {
  const own = writtenFiles(folder, "torch", options).map((file) => basename(file));
  const others = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.endsWith(".pt") && !own.includes(name))
    : [];
  const [first] = others;
  if (first !== undefined) throw inputError("OUTPUT_OTHER_CHECKPOINT", { file: folder }, { name: first });
}

const SCALARLM = "a server of ScalarLM";
const VLLM = "vLLM's LoRA";

function cannot(format: string, file: string, name: string | undefined, what: string): TfcError {
  const fix = "leave out `for: scalarlm`: other formats hold it, for other purposes";
  return inputError(
    "ADAPTER_FORMAT_CANNOT",
    { file, ...(name === undefined ? {} : { name }) },
    { format, what, fix },
  );
}

function checkScalarlm({ file, parts, overrides }: AdapterFile, sink: Sink): void {
  const [first] = parts;
  if (first === undefined) throw cannot(SCALARLM, file, undefined, "no adapter");
  const size = ({ settings }: AdapterPart): string =>
    `TOKENFORMER_R=${String(settings["rank"])} TOKENFORMER_NUM_HEADS=${String(settings["heads"])}`;
  for (const part of parts) {
    const name = siteName(part.site);
    if (!name.slice(name.lastIndexOf(".") + 1).includes("mlp"))
      throw cannot(SCALARLM, file, name, "an adapter beside what is not called mlp");
    if (size(part) !== size(first))
      throw cannot(SCALARLM, file, name, `${size(part)} beside ${size(first)} of other modules`);
  }
  sink.report("SERVER_SETTINGS", { file }, { server: "ScalarLM", settings: size(first) });
  const left = [...overrides.keys()].filter((name) => !name.includes("lm_head"));
  const [name] = left;
  if (name !== undefined) sink.report("SERVER_LEAVES_OUT", { file, name }, { count: left.length });
}

function checkLora(adapter: AdapterFile, sink: Sink): void {
  const { file, overrides } = adapter;
  const parts = packedParts(adapter);
  const [override] = overrides.keys();
  if (override !== undefined)
    throw cannot(VLLM, file, override, "a weight of the base that was trained along");
  const scale = ({ kind, settings }: AdapterPart): string =>
    Object.values(adapterKinds.get(kind)?.coefficients(settings) ?? {}).join();
  const [first] = parts;
  for (const part of parts) {
    const name = siteName(part.site);
    if (part.leaves.has(MAGNITUDE)) throw cannot(VLLM, file, name, "DoRA");
    if (first !== undefined && scale(part) !== scale(first))
      throw cannot(VLLM, file, name, `LoRA scaled by ${scale(part)} beside ${scale(first)} of other modules`);
  }
  const rank = Math.max(...parts.map(({ settings }) => Number(settings["rank"])));
  if (rank > VLLM_RANK)
    sink.report("SERVER_SETTINGS", { file }, { server: "vLLM", settings: `--max-lora-rank ${rank}` });
}
