import { describedIn } from "../adapters/description.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../adapters/kind.ts";
import { locText } from "../ir/entity.ts";
import { typeText } from "../ir/type.ts";
import type { Site } from "../sites/site.ts";
import type { Attention } from "../recognize/attention/attention.ts";
import type { Latent } from "../recognize/attention/latent.ts";
import type { Linear } from "../recognize/linear/linear.ts";
import { counts, type DecoderView, type Layer } from "../recognize/decoder.ts";
import { blocksOf } from "../recognize/layers.ts";
import { refusalOf } from "../recognize/model/describe.ts";
import { placeText } from "../recognize/miss.ts";
import { projectionsOf } from "../recognize/linear/projections.ts";
import { unseenReason } from "../recognize/model/unknown.ts";
import type { Model } from "../ir/model.ts";
import type { Mlp } from "../recognize/mlp/mlp.ts";
import type { Moe } from "../recognize/moe/moe.ts";
import { placementOf, type Placement } from "../ops/placement/placement.ts";
import { KV_LENGTH_KEY } from "../ops/kv.ts";
import { UNPADDED_KEY } from "../ops/unpadded.ts";
import { PACKED_KEY } from "../ops/packed.ts";
import { LOOP_KEY } from "../ops/decode-loop.ts";
import { trainingIn } from "../ops/training.ts";
import { LOWERED_KEY, providers, type Provider } from "../ops/providers.ts";
import { BASE_KEY } from "../weights/fingerprint.ts";
import { checkGiven, oneOf, type Checks } from "./check-given.ts";
import { countParameters } from "./count-parameters.ts";
import { openDecoder, type OpenedDecoder } from "./open-decoder.ts";
import { placementRecord } from "./placement.ts";
import type {
  InspectedAttention,
  InspectedLayer,
  InspectedMixer,
  InspectedMlp,
  InspectedMoe,
  InspectedMoeBlock,
  InspectedModel,
  Inspection,
  OutlinedBlock,
} from "./inspection.ts";

/** What to say of a model beside what is understood of it. */
export interface InspectOptions {
  /** The execution provider to say of where each node runs. */
  readonly for?: Provider;
}

/**
 * Says what tfc understands of a model, and changes nothing.
 *
 * @param file an .onnx file
 * @example
 * const { placement } = inspect("model.onnx", { for: "cuda" });
 * console.log(placement?.nodes.filter(({ provider }) => provider !== "cuda"));
 * @throws TfcError FILE_NOT_FOUND, FILE_NOT_ONNX, and others of a model that cannot be read; OPTION_UNKNOWN,
 * OPTION_OUT_OF_RANGE
 */
export function inspect(file: string, options: InspectOptions = {}): Inspection {
  checkGiven(options, checks, "inspect", []);
  const { decoder, report, refusal } = inspectFile(file, options.for);
  return { ...report, refusal, diagnostics: decoder.diagnostics };
}

/** What a file holds, for {@link inspect} and the command. */
export function inspectFile(file: string, provider: Provider | undefined) {
  const placements: (Placement | null)[] = [];
  const decoder = openDecoder(file, (model) => {
    if (provider !== undefined) placements.push(placementOf(model, provider));
  });
  const refusal = refusalOf(decoder.model, decoder.view);
  const report: InspectedModel = inspection(decoder);
  if (provider === undefined) return { decoder, report, refusal };
  const [placement = null] = placements;
  const placed = placement === null ? null : placementRecord(placement, decoder.view, provider);
  return { decoder, report: { ...report, placement: placed }, refusal };
}

const checks: Checks<InspectOptions> = { for: oneOf(providers) };

/** What is understood of a model: its layers, attention and MLP of each, and what was missed. */
export function inspection({ model, view, style, exporter }: OpenedDecoder): InspectedModel {
  const [attention, mlp] = [counts(view, "attention"), counts(view, "mlp")];
  return {
    style,
    exporter,
    hiddenSize: view.hiddenSize,
    layers: view.layers.map((layer) => layerRecord(layer)),
    matched: { attention: attention.matched, mlp: mlp.matched },
    seen: { attention: attention.seen, mlp: mlp.seen },
    misses: view.misses.map((m) => ({ code: m.code, at: placeText(m.at), wanted: m.want, got: m.got })),
    parameters: countParameters(model.graph),
    inputs: inputsOf(model),
    ...unseenIn(model, view),
    ...(view.mixers.length === 0 ? {} : { others: view.mixers.map(mixerRecord) }),
    ...loraIn(view),
    ...contentsOf(model),
  };
}

/** What is fed when the graph runs. Up to IR version 3, initializers are listed among the inputs. */
function inputsOf({ graph }: Model): InspectedModel["inputs"] {
  const fed = graph.inputs.filter((value) => value.constant === undefined);
  return fed.map(({ name, type }) => ({ name: name ?? "", type: typeText(type) }));
}

function mixerRecord({ layer, at }: DecoderView["mixers"][number]): InspectedMixer {
  return { layer, op: at.op, at: placeText(at) };
}

/** Why no block of a kind was seen; nothing where some was. */
function unseenIn(model: Model, view: DecoderView): Pick<InspectedModel, "unseen"> {
  const reasons = (["attention", "mlp"] as const).flatMap((block) => {
    const reason = unseenReason(model, view, block);
    return reason === null ? [] : [[block, reason] as const];
  });
  return reasons.length === 0 ? {} : { unseen: Object.fromEntries(reasons) };
}

/** The LoRA that a graph has written out, by projection; nothing of one without. */
function loraIn(view: DecoderView): Pick<InspectedModel, "lora"> {
  const found = view.layers.flatMap((layer) =>
    blocksOf(layer)
      .flatMap(projectionsOf)
      .flatMap(({ linear, parts }) =>
        linear.loras.map(({ rank, scale }) => ({
          layer: layer.index,
          sites: parts.map(({ site }) => site),
          rank,
          scale,
        })),
      ),
  );
  return found.length === 0 ? {} : { lora: found };
}

/** What a compiled model says of itself; nothing of one that was not compiled. */
function contentsOf({
  meta,
  loc: { file },
}: Model): Pick<
  InspectedModel,
  | "adapters"
  | "replaced"
  | "base"
  | "loweredFor"
  | "maxLength"
  | "unpadded"
  | "packed"
  | "decodeLoop"
  | "training"
> {
  const adapters = describedIn(meta, ADAPTER_KEY, file);
  const replaced = describedIn(meta, REPLACED_KEY, file);
  const training = trainingIn(meta, file);
  const [base, lowered, length, packed] = [BASE_KEY, LOWERED_KEY, KV_LENGTH_KEY, PACKED_KEY].map((key) =>
    meta.get(key),
  );
  return {
    ...(adapters === null ? {} : { adapters }),
    ...(replaced === null ? {} : { replaced }),
    ...(base === undefined ? {} : { base }),
    ...(lowered === undefined ? {} : { loweredFor: lowered }),
    ...(length === undefined ? {} : { maxLength: Number(length) }),
    ...(meta.has(UNPADDED_KEY) ? { unpadded: true } : {}),
    ...(meta.has(LOOP_KEY) ? { decodeLoop: true } : {}),
    ...(training === null ? {} : { training }),
    ...(packed === undefined ? {} : { packed: Number(packed) }),
  };
}

function layerRecord({ index, name, attention, mlp }: Layer): InspectedLayer {
  return { index, name, attention: attention && attentionRecord(attention), mlp: mlp && mlpRecord(mlp) };
}

function siteRecord(site: Site): OutlinedBlock {
  return { outlined: true, call: site.name, function: site.node.opType };
}

function attentionRecord(block: Attention | Site): InspectedAttention | OutlinedBlock {
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
    softcap: softcap === null ? null : (softcap.bound ?? "not constant"),
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

function moeRecord(block: Moe): InspectedMoe {
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

function mlpRecord(block: Mlp | Moe | Site): InspectedMlp | InspectedMoeBlock | OutlinedBlock {
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
