import { Command } from "commander";
import { countsText, describedIn, type AdapterDescription } from "../adapters/description.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../adapters/kind.ts";
import { locText } from "../ir/entity.ts";
import type { Site } from "../sites/site.ts";
import type { Attention } from "../recognize/attention/attention.ts";
import type { Latent } from "../recognize/attention/latent.ts";
import type { Linear } from "../recognize/linear/linear.ts";
import { counts, type DecoderView, type Layer } from "../recognize/decoder.ts";
import { refusalOf } from "../recognize/model/describe.ts";
import { placeText } from "../recognize/miss.ts";
import { projectionsOf } from "../recognize/linear/projections.ts";
import { unseenReason } from "../recognize/model/unknown.ts";
import type { Model } from "../ir/model.ts";
import type { Mlp } from "../recognize/mlp/mlp.ts";
import { moeText } from "../recognize/moe/describe.ts";
import type { Moe } from "../recognize/moe/moe.ts";
import { BASE_KEY, fingerprintName } from "../weights/fingerprint.ts";
import { openDecoder, type OpenedDecoder } from "./open-decoder.ts";
import { grouped, printResult, rows } from "./output.ts";

/** `tfc inspect <model>`: what tfc understands of a model. */
export function inspectCommand(): Command {
  return new Command("inspect")
    .description("say what is understood of a model: layers, attention, MLPs, and what was missed")
    .argument("<model>", "an .onnx file")
    .option("--json", "print one JSON object", false)
    .action((file: string, flags: { readonly json: boolean }) => {
      const decoder = openDecoder(file);
      const report = inspection(decoder);
      const refusal = refusalOf(decoder.model, decoder.view);
      printResult(flags.json, report, () => inspectionText(report, decoder.view, refusal));
    });
}

type Inspection = ReturnType<typeof inspection>;

/** What `inspect --json` prints. */
export function inspection({ model, view, style, exporter }: OpenedDecoder) {
  const [attention, mlp] = [counts(view, "attention"), counts(view, "mlp")];
  let parameters = 0;
  for (const value of model.graph.initializers) parameters += value.constant?.size ?? 0;
  return {
    style,
    exporter,
    hiddenSize: view.hiddenSize,
    layers: view.layers.map((layer) => layerRecord(layer)),
    matched: { attention: attention.matched, mlp: mlp.matched },
    seen: { attention: attention.seen, mlp: mlp.seen },
    misses: view.misses.map((m) => ({ code: m.code, at: placeText(m.at), wanted: m.want, got: m.got })),
    parameters,
    ...unseenIn(model, view),
    ...(view.mixers.length === 0 ? {} : { others: view.mixers.map(mixerRecord) }),
    ...loraIn(view),
    ...contentsOf(model),
  };
}

function mixerRecord({ layer, at }: DecoderView["mixers"][number]) {
  return { layer, op: at.op, at: placeText(at) };
}

function othersText(others: readonly { readonly layer: number; readonly op: string }[]): string {
  const ops = [...new Set(others.map(({ op }) => op))].join(", ");
  const layers = [...new Set(others.map(({ layer }) => layer))].join(", ");
  return `${others.length} that mix tokens by ${ops}, in layers ${layers}: left as they are`;
}

/** Why no block of a kind was seen; nothing where some was. */
function unseenIn(model: Model, view: DecoderView): { readonly unseen?: Readonly<Record<string, string>> } {
  const reasons = (["attention", "mlp"] as const).flatMap((block) => {
    const reason = unseenReason(model, view, block);
    return reason === null ? [] : [[block, reason] as const];
  });
  return reasons.length === 0 ? {} : { unseen: Object.fromEntries(reasons) };
}

/** The LoRA that a graph has written out, by projection; nothing of one without. */
function loraIn(view: DecoderView): { readonly lora?: readonly LoraRecord[] } {
  const found = view.layers.flatMap((layer) =>
    [layer.attention, layer.mlp].flatMap((block) =>
      block === null || block.kind === "site"
        ? []
        : projectionsOf(block).flatMap(({ linear, parts }) =>
            linear.loras.map(({ rank, scale }) => ({
              layer: layer.index,
              sites: parts.map(({ site }) => site),
              rank,
              scale,
            })),
          ),
    ),
  );
  return found.length === 0 ? {} : { lora: found };
}

interface LoraRecord {
  readonly layer: number;
  readonly sites: readonly string[];
  readonly rank: number | null;
  readonly scale: number;
}

function loraText(loras: readonly LoraRecord[]): string {
  const sites = [...new Set(loras.flatMap((one) => one.sites))].join(", ");
  const ranks = [...new Set(loras.map(({ rank }) => rank ?? "any"))].join(", ");
  return `in the graph already, at ${loras.length} projections (${sites}), of rank ${ranks}`;
}

interface Contents {
  readonly adapters?: AdapterDescription;
  readonly replaced?: AdapterDescription;
  readonly base?: string;
}

/** What a compiled model says of itself; nothing of one that was not compiled. */
function contentsOf({ meta, loc: { file } }: Model): Contents {
  const adapters = describedIn(meta, ADAPTER_KEY, file);
  const replaced = describedIn(meta, REPLACED_KEY, file);
  const base = meta.get(BASE_KEY);
  return {
    ...(adapters === null ? {} : { adapters }),
    ...(replaced === null ? {} : { replaced }),
    ...(base === undefined ? {} : { base }),
  };
}

function layerRecord({ index, name, attention, mlp }: Layer) {
  return { index, name, attention: attention && attentionRecord(attention), mlp: mlp && mlpRecord(mlp) };
}

function siteRecord(site: Site) {
  return { outlined: true, call: site.name, function: site.node.opType };
}

function attentionRecord(block: Attention | Site) {
  if (block.kind === "site") return siteRecord(block);
  const { anchor, heads, scale, softcap, mask, rotary, cache } = block;
  const name = (v: { readonly name: string | undefined } | null | undefined): string | null =>
    v?.name ?? null;
  return {
    at: locText(anchor.node.loc),
    op: anchor.node.op,
    heads: heads?.heads ?? null,
    kvHeads: heads?.kvHeads ?? null,
    headDim: heads?.headDim ?? null,
    ...(block.latent === null ? {} : { latent: latentRecord(block.q, block.latent) }),
    packing: block.packing,
    repeatKv: block.repeatKv?.kind ?? null,
    scale: scale && { value: scale.value, at: scale.at },
    softcap,
    ...(block.sinks === null ? {} : { sinks: name(block.sinks) }),
    mask: { kind: mask.kind, source: name(mask.source), window: mask.window },
    ...(block.opaque.length === 0 ? {} : { opaque: block.opaque }),
    rotary: rotary && {
      kind: rotary.kind,
      partial: rotary.partial,
      ...(rotary.interleaved ? { interleaved: true } : {}),
    },
    cache: cache && { kind: cache.kind, pastKey: name(cache.pastKey), presentKey: name(cache.presentKey) },
    nodes: block.region.nodes.length,
    input: name(block.region.input),
    output: name(block.region.output),
  };
}

function latentRecord(q: Linear, { queryDown, up, isCached }: Latent) {
  return { width: up.inFeatures, queryWidth: queryDown === null ? null : q.inFeatures, cached: isCached };
}

function moeRecord(block: Moe) {
  const { router, shared } = block;
  return {
    at: locText(block.anchor.loc),
    experts: block.experts,
    topK: router.topK,
    groups: router.groups,
    scoring: router.scoring,
    form: block.form,
    activation: block.activation,
    shared: shared.map(({ mlp, gate }) => ({ intermediateSize: mlp.intermediateSize, gated: gate !== null })),
    nodes: block.region.nodes.length,
    input: block.region.input.name ?? null,
    output: block.region.output.name ?? null,
  };
}

function mlpRecord(block: Mlp | Moe | Site) {
  if (block.kind === "site") return siteRecord(block);
  if (block.kind === "moe") return { moe: moeRecord(block) };
  return {
    at: locText(block.anchor.loc),
    activation: block.activation,
    gated: block.gated,
    packing: block.packing,
    intermediateSize: block.intermediateSize,
    nodes: block.region.nodes.length,
    input: block.region.input.name ?? null,
    output: block.region.output.name ?? null,
  };
}

function inspectionText(report: Inspection, view: DecoderView, refusal: string | null): string {
  const { matched, seen } = report;
  const summary = rows([
    ["style", `${report.style}, written by ${report.exporter}`],
    ["hidden size", report.hiddenSize === null ? "unknown" : String(report.hiddenSize)],
    ["parameters", grouped(report.parameters)],
    ["attention", countText(matched.attention, seen.attention, report.unseen?.["attention"])],
    ["mlp", countText(matched.mlp, seen.mlp, report.unseen?.["mlp"])],
    ...(report.others === undefined ? [] : [["other blocks", othersText(report.others)] as const]),
    ...(report.lora === undefined ? [] : [["lora", loraText(report.lora)] as const]),
    ...(report.adapters === undefined ? [] : [["adapters", countsText(report.adapters)] as const]),
    ...(report.replaced === undefined ? [] : [["replaced", countsText(report.replaced)] as const]),
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
    softcap === null ? null : `capped at ${softcap}`,
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
