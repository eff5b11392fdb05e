import { Command } from "commander";
import { countsText } from "../adapters/description.ts";
import type { Site } from "../sites/site.ts";
import type { Attention } from "../recognize/attention/attention.ts";
import { type DecoderView, type Layer } from "../recognize/decoder.ts";
import type { Mlp } from "../recognize/mlp/mlp.ts";
import { moeText } from "../recognize/moe/describe.ts";
import type { Moe } from "../recognize/moe/moe.ts";
import { fingerprintName } from "../weights/fingerprint.ts";
import { providers, type Provider } from "../ops/providers.ts";
import type { Training } from "../ops/training.ts";
import { drawnText } from "./report-hint.ts";
import { placementText } from "./inspect-placement.ts";
import { wordFlag } from "./flags.ts";
import { counted, grouped, printDiagnostics, printResult, rows } from "./output.ts";
import { inspectFile } from "../compile/inspect.ts";
import type { InspectedLora, InspectedModel } from "../compile/inspection.ts";

/** `tfc inspect <model>`: what tfc understands of a model. */
export function inspectCommand(): Command {
  return new Command("inspect")
    .description("say what is understood of a model: layers, attention, MLPs, and what was missed")
    .argument("<model>", "an .onnx file")
    .addOption(wordFlag("--for <provider>", "say where each node runs on this execution provider", providers))
    .option("--json", "print one JSON object", false)
    .action((file: string, flags: { readonly json: boolean; readonly for?: Provider }) => {
      const { decoder, report, refusal } = inspectFile(file, flags.for);
      printDiagnostics(decoder.diagnostics);
      printResult(flags.json, report, () => {
        const text = inspectionText(report, decoder.view, refusal);
        const { placement } = report;
        const placed =
          flags.for === undefined || placement === undefined ? [] : ["", placementText(placement, flags.for)];
        return [text, ...placed, "", drawnText(file)].join("\n");
      });
    });
}

/** A line for each input. Those of one type whose names differ in a number alone, as of a cache, share one. */
function inputsText(inputs: InspectedModel["inputs"]): string {
  const alike = new Map<string, { readonly type: string; readonly names: string[] }>();
  for (const { name, type } of inputs) {
    const key = `${name.replace(/\d+/, "#")} ${type}`;
    const known = alike.get(key);
    if (known === undefined) alike.set(key, { type, names: [name] });
    else known.names.push(name);
  }
  const lines = [...alike.values()].map(({ type, names: [first = "", ...others] }) => {
    const last = others.at(-1);
    return `${first}${last === undefined ? "" : ` … ${last}`}  ${type}`;
  });
  return lines.length === 0 ? "none" : lines.join("\n");
}

function othersText(others: readonly { readonly layer: number; readonly op: string }[]): string {
  const ops = [...new Set(others.map(({ op }) => op))].join(", ");
  const layers = [...new Set(others.map(({ layer }) => layer))];
  const where = `${layers.length === 1 ? "layer" : "layers"} ${layers.join(", ")}`;
  return others.length === 1
    ? `1 that mixes tokens by ${ops}, in ${where}: left as it is`
    : `${others.length} that mix tokens by ${ops}, in ${where}: left as they are`;
}

function loraText(loras: readonly InspectedLora[]): string {
  const sites = [...new Set(loras.flatMap((one) => one.sites))].join(", ");
  const ranks = [...new Set(loras.map(({ rank }) => rank ?? "any"))].join(", ");
  return `in the graph already, at ${loras.length} projections (${sites}), of rank ${ranks}; tfc adapter extract takes it out`;
}

function inspectionText(report: InspectedModel, view: DecoderView, refusal: string | null): string {
  const { matched, seen } = report;
  const summary = rows([
    ["style", `${report.style}, written by ${report.exporter}`],
    ["hidden size", report.hiddenSize === null ? "unknown" : String(report.hiddenSize)],
    ["parameters", grouped(report.parameters)],
    ["inputs", inputsText(report.inputs)],
    ["attention", countText(matched.attention, seen.attention, report.unseen?.["attention"])],
    ["mlp", countText(matched.mlp, seen.mlp, report.unseen?.["mlp"])],
    ...(report.others === undefined ? [] : [["other blocks", othersText(report.others)] as const]),
    ...(report.lora === undefined ? [] : [["lora", loraText(report.lora)] as const]),
    ...(report.adapters === undefined ? [] : [["adapters", countsText(report.adapters)] as const]),
    ...(report.replaced === undefined ? [] : [["replaced", countsText(report.replaced)] as const]),
    ...(report.loweredFor === undefined ? [] : [["lowered for", report.loweredFor] as const]),
    ...(report.packed === undefined
      ? []
      : [
          [
            "packed",
            `q, k and v, or gate and up, in ${counted(report.packed, "product", "products")}`,
          ] as const,
        ]),
    ...(report.maxLength === undefined
      ? []
      : [["caches", `shared by past and present, ${grouped(report.maxLength)} positions`] as const]),
    ...(report.unpadded === true
      ? [["row", "without padding: no mask is read, positions are counted from the past"] as const]
      : []),
    ...(report.decodeLoop === true
      ? [["generates", "by itself: a loop holds the decoder, sampling and stop ids"] as const]
      : []),
    ...(report.training === undefined ? [] : [["trains", trainingText(report.training)] as const]),
    ...(report.base === undefined ? [] : [["base", fingerprintName(report.base)] as const]),
  ]);
  const layers = groupAlike(view).map(({ from, to, text }) => [layersText(from, to), text] as const);
  const misses = report.misses.map((m) => `  ${m.code} at ${m.at}\n    wanted ${m.wanted}, found ${m.got}`);
  return [
    summary,
    ...(layers.length === 0 ? [] : ["", rows(layers)]),
    ...(misses.length === 0 ? [] : ["", "not understood:", ...misses]),
    ...(refusal === null ? [] : ["", `no Llama-family decoder: ${refusal}`]),
  ].join("\n");
}

const emitTexts: Readonly<Record<Training["emit"], string>> = {
  update: "a step: loss and updated parameters",
  grads: "loss and gradients",
  loss: "nothing: it gives the loss alone",
};

/** `a step: loss and updated parameters, of 24 parameters, memory selective` */
function trainingText({ emit, memory, parameters }: Training): string {
  const text = emitTexts[emit];
  return emit === "loss"
    ? text
    : `${text}, of ${counted(parameters.length, "parameter", "parameters")}, memory ${memory}`;
}

function countText(matched: number, seen: number, unseen: string | undefined): string {
  return `${matched} of ${seen} understood${unseen === undefined ? "" : `: ${unseen}`}`;
}

/** Layers in a row that say the same are shown once: a page, however deep the model. */
function groupAlike({ layers, mixers }: DecoderView): { from: Layer; to: Layer; text: string }[] {
  const groups: { from: Layer; to: Layer; text: string }[] = [];
  for (const layer of layers) {
    const mixer = mixers.find((one) => one.layer === layer.index);
    const text = `${layer.attention === null && mixer ? `self_attn  none: ${mixer.at.op} mixes tokens` : attentionText(layer.attention)}\n${mlpText(layer.mlp)}`;
    const last = groups.at(-1);
    if (last?.text === text) last.to = layer;
    else groups.push({ from: layer, to: layer, text });
  }
  return groups;
}

function layersText(from: Layer, to: Layer): string {
  return from === to ? from.name : `${from.name} … ${to.index}`;
}

function attentionText(block: Attention | Site | null): string {
  if (block === null) return "self_attn  not understood";
  if (block.kind === "site") return `self_attn  outlined as ${block.node.op}`;
  const { heads, scale, softcap, mask, cache } = block;
  const parts = [
    heads === null
      ? "head count unknown"
      : `${heads.heads} heads, ${heads.kvHeads} kv heads of ${heads.headDim}`,
    block.q === block.k ? "packed qkv" : null,
    block.latent === null ? null : `latent of ${block.latent.up.inFeatures}`,
    scale === null ? "scale unknown" : `scale ${Number(scale.value.toPrecision(6))} (${scale.at})`,
    softcap === null ? null : `capped at ${softcap.bound ?? "what is not constant"}`,
    block.sinks === null ? null : "sinks",
    mask.kind === "none"
      ? "no mask"
      : `mask: ${mask.kind}${mask.window === null ? "" : ` of ${mask.window}`}`,
    rotaryText(block),
    cache === null ? "no cache" : `cache: ${cache.kind}`,
  ];
  return `self_attn  ${parts.filter((p) => p !== null).join(", ")}`;
}

function rotaryText({ rotary, opaque }: Attention): string {
  if (rotary === null)
    return opaque.length === 0 ? "no rotary" : `rotary: not understood (${opaque.join(", ")})`;
  const { kind, partial, interleaved } = rotary;
  return `rotary: ${kind}${partial ? ", partial" : ""}${interleaved ? ", interleaved" : ""}`;
}

function mlpText(block: Mlp | Moe | Site | null): string {
  if (block === null) return "mlp        not understood";
  if (block.kind === "site") return `mlp        outlined as ${block.node.op}`;
  if (block.kind === "moe") return `moe        ${moeText(block)}`;
  const packed = block.gated && block.inputs.length === 1 ? ", packed gate_up" : "";
  return `mlp        ${block.activation}${block.gated ? ", gated" : ""}${packed}, ${block.intermediateSize} wide`;
}
