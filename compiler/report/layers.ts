import type { Node } from "../ir/node.ts";
import type { DecoderView, Seen } from "../recognize/decoder.ts";
import { isMiss, placeText } from "../recognize/miss.ts";
import { moduleOf, parseSiteName } from "../sites/names.ts";
import { adaptersAt } from "./adapters.ts";
import type { Box } from "./boxes.ts";
import type { Adapter, LayerRow, Module, ReportData } from "./data.ts";
import { nameOf } from "./drawer.ts";
import { layerKey, type Parts } from "./parts.ts";

/** The layers as rows of the picture. */
export function layerRows(
  view: DecoderView,
  boxes: readonly Box[],
  { ofBox, ofLayer }: Parts,
  adapters: readonly Adapter[],
): readonly LayerRow[] {
  const rows = new Map<string, LayerRow>();
  for (const one of view.seen) {
    const graphs = [...ofLayer.keys()];
    const key = `${graphs.indexOf(one.graph)} ${one.layer}`;
    if (rows.has(key)) continue;
    const own = boxes.filter(({ graph, layer, kind }) => {
      return graph === one.graph && layer === one.layer && kind !== "function" && kind !== "adapter";
    });
    const missed = view.seen.filter(({ graph, layer, answer }) => {
      return graph === one.graph && layer === one.layer && isMiss(answer);
    });
    const name = view.layers.find(({ index }) => index === one.layer)?.name ?? `model.layers.${one.layer}`;
    const modules = [
      ...own.map((box) => [box.nodes.at(-1), moduleOfBox(box, ofBox.get(box) ?? null, adapters)] as const),
      ...missed.map((seen) => [seen.at, missedModule(seen)] as const),
    ];
    const copy = [...rows.values()].filter(({ index }) => index === one.layer).length;
    const part = ofLayer.get(one.graph)?.get(layerKey({ layer: one.layer, isBackward: false })) ?? null;
    const beside = besideOf(one.layer, adapters, own);
    rows.set(key, { index: one.layer, copy, name, part, modules: withBeside(ordered(modules), beside) });
  }
  return [...rows.values()];
}

function moduleOfBox(box: Box, part: number | null, adapters: readonly Adapter[]): Module {
  const label = box.name.replace(/^.*\.layers\.\d+\.|^model\./, "");
  return {
    kind: box.kind,
    label,
    part,
    text: box.text,
    miss: null,
    adapters: adaptersAt(box.name, adapters),
  };
}

function missedModule({ block, at, answer, isMoe }: Seen): Module {
  const kind = block === "attention" ? "attention" : isMoe ? "experts" : "mlp";
  const label = moduleOf(block === "attention" ? "attn" : "mlp");
  const miss = isMiss(answer)
    ? {
        code: answer.code,
        at: placeText(answer.at),
        wanted: answer.want,
        found: answer.got,
        node: nameOf(at),
      }
    : null;
  return { kind, label, part: null, text: "not understood", miss, adapters: [] };
}

/** Adapters of a layer that stand at none of its boxes: at a norm or an MLP's output, by the names of those steps. */
function besideOf(layer: number, adapters: readonly Adapter[], boxes: readonly Box[]): readonly Adapter[] {
  return adapters.filter(({ site }) => {
    const isHere = parseSiteName(site)?.layer === layer;
    return isHere && !boxes.some(({ name }) => site === name || site.startsWith(`${name}.`));
  });
}

function withBeside(modules: readonly Module[], beside: readonly Adapter[]): readonly Module[] {
  const last = modules.findLastIndex(({ kind }) => kind === "mlp" || kind === "experts");
  return modules.map((module, i) =>
    i === last && beside.length > 0 ? { ...module, adapters: [...module.adapters, ...beside] } : module,
  );
}

/** In the order of the graph. */
function ordered(modules: readonly (readonly [Node | undefined, Module])[]): readonly Module[] {
  const nodes = new Set(modules.map(([node]) => node));
  const order = new Map<Node | undefined, number>();
  for (const node of modules[0]?.[0]?.graph?.nodes ?? []) if (nodes.has(node)) order.set(node, order.size);
  return modules
    .toSorted(([a], [b]) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
    .map(([, module]) => module);
}

/** What stands outside of the layers: the embedding in front, the last norm and the head behind. */
export function endsOf(
  boxes: readonly Box[],
  { ofBox }: Parts,
  adapters: readonly Adapter[],
): ReportData["ends"] {
  const outside = boxes.filter(({ layer }) => layer === null);
  const of = (kinds: readonly Box["kind"][]): readonly Module[] =>
    outside
      .filter(({ kind }) => kinds.includes(kind))
      .map((box) => moduleOfBox(box, ofBox.get(box) ?? null, adapters));
  return { before: of(["embedding"]), behind: of(["norm", "head"]) };
}
