import { countsText } from "../adapters/description.ts";
import { inspection } from "../compile/inspect.ts";
import { explanations } from "../compile/explain.ts";
import type { InspectedModel } from "../compile/inspection.ts";
import { openDecoder, type OpenedDecoder } from "../compile/open-decoder.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { typeText } from "../ir/type.ts";
import { nodesDeep } from "../ir/walk.ts";
import { refusalOf } from "../recognize/model/describe.ts";
import { fingerprintName } from "../weights/fingerprint.ts";
import { adaptersOf, fedIn, totalsOf } from "./adapters.ts";
import { boxesOf } from "./boxes.ts";
import { opRows } from "./changes.ts";
import type { Adapter, Part, ReportData, Summary } from "./data.ts";
import { endsOf, layerRows } from "./layers.ts";
import { partsOf, type Parts } from "./parts.ts";
import { offOf, placementRows, placementsOf, type Placements } from "./placement.ts";
import { totalOf } from "./weights.ts";

/** A model as a report has it, and what there was to say on the way. */
export interface Gathered {
  readonly data: ReportData;
  readonly diagnostics: readonly Diagnostic[];
  readonly decoder: OpenedDecoder;
}

/**
 * Gathers what a report says of one model.
 *
 * @throws TfcError FILE_NOT_FOUND, FILE_NOT_ONNX, and others of a model that cannot be read
 */
export function gather(file: string): Gathered {
  let placements: Placements = new Map();
  const decoder = openDecoder(file, (model) => {
    placements = placementsOf(model);
  });
  const { model, view, diagnostics } = decoder;
  const inspected = inspection(decoder);
  const boxes = boxesOf(model, view);
  const parts = partsOf({
    ...{ model, view, boxes, isTraining: inspected.training !== undefined },
    facts: factsOf(decoder),
    off: offOf(placements),
    fed: fedIn(model),
  });
  const adapters = adaptersOf(model);
  const shown = {
    layers: layerRows(view, boxes, parts, adapters),
    ends: endsOf(boxes, parts, adapters),
    parts: parts.parts,
    drawings: parts.drawings,
  };
  const data: ReportData = {
    ...{ version: 1, file, base: null, baseIs: null, ...shown },
    summary: summaryOf(decoder, inspected, parts, adapters),
    ops: opRows(shown, null),
    changes: [],
    placement: placementRows(placements, parts),
    training: null,
  };
  return { data, diagnostics, decoder };
}

function factsOf(decoder: OpenedDecoder): ReadonlyMap<object, Part["facts"]> {
  const said = explanations(decoder, null);
  return new Map(
    decoder.view.seen.map(({ answer }, i) => [answer, Object.entries(said[i]?.facts ?? {})] as const),
  );
}

function summaryOf(
  { model, view, diagnostics }: OpenedDecoder,
  inspected: InspectedModel,
  { parts, drawings }: Parts,
  adapters: readonly Adapter[],
): Summary {
  const { style, exporter, hiddenSize, parameters, matched, seen, inputs } = inspected;
  const ops = drawings[parts[0]?.drawing ?? 0]?.ops ?? {};
  return {
    ...{ style, exporter, hiddenSize, parameters, matched, seen, inputs },
    bytes: totalOf(model).bytes,
    nodes: [...nodesDeep(model.graph)].length,
    functions: model.functions.size,
    writtenOut: Object.values(ops).reduce((sum, count) => sum + count, 0),
    outputs: model.graph.outputs.map(({ name, type }) => ({ name: name ?? "", type: typeText(type) })),
    refusal: refusalOf(model, view),
    notes: notesOf(inspected),
    warnings: diagnostics.map(warningText),
    adapters: totalsOf(model, adapters),
  };
}

/** A warning in one line, as the page has it. */
export function warningText({ code, what }: Diagnostic): string {
  return `${code}: ${what}`;
}

/** What `tfc inspect` says beside the numbers. */
function notesOf(inspected: InspectedModel): Summary["notes"] {
  const { adapters, replaced, base, loweredFor, maxLength, packed, unpadded, decodeLoop, training, lora } =
    inspected;
  const notes: readonly (readonly [string, string | undefined])[] = [
    ["adapters", adapters && countsText(adapters)],
    ["replaced", replaced && countsText(replaced)],
    ["LoRA in the graph", lora && `at ${lora.length} projections; tfc adapter extract takes it out`],
    ["lowered for", loweredFor],
    ["packed", packed === undefined ? undefined : `${packed} products of several projections each`],
    ["caches", maxLength === undefined ? undefined : `shared by past and present, ${maxLength} positions`],
    ["row", unpadded === true ? "without padding: positions are counted from the past" : undefined],
    ["generates", decodeLoop === true ? "by itself: a loop holds the decoder" : undefined],
    ["trains", training && `${training.parameters.length} parameters, memory ${training.memory}`],
    ["base", base === undefined ? undefined : fingerprintName(base)],
  ];
  const others = Object.entries(inspected.unseen ?? {}).map(([block, why]) => [`no ${block}`, why] as const);
  return [
    ...notes.flatMap(([label, text]) => (text === undefined ? [] : [[label, text] as const])),
    ...others,
  ];
}
