import type { Change, Drawing, LayerRow, Module, OpRow, Part, ReportData } from "./data.ts";

/** What {@link changesBetween} reads of a report. */
type Side = Pick<ReportData, "layers" | "ends" | "parts" | "drawings">;

interface Place {
  readonly module: Module;
  readonly layer: number | null;
}

/** What became of the base's modules, by their layers and names; equal changes together. */
export function changesBetween(base: Side, model: Side): readonly Change[] {
  const before = new Map(placesIn(base).map((place) => [keyOf(place), place.module]));
  const changes = new Map<string, Change>();
  for (const place of placesIn(model)) {
    const { module, layer } = place;
    const change = changeOf(before.get(keyOf(place)), base, module, model);
    const { bytes, ...what } = change;
    // A scalar that all layers share is the first one's: a few bytes are no other change.
    const key = JSON.stringify([
      module.kind,
      module.label,
      layer === null,
      what,
      bytes.map((n) => Math.round(n / 256)),
    ]);
    const known = changes.get(key);
    const layers = [...(known?.layers ?? []), ...(layer === null ? [] : [layer])];
    changes.set(key, { module: module.label, kind: module.kind, ...change, layers });
  }
  return [...changes.values()];
}

function placesIn({ layers, ends }: Side): readonly Place[] {
  const outside = (modules: readonly Module[]): readonly Place[] =>
    modules.map((module) => ({ module, layer: null }));
  const inside = layers
    .filter(({ copy }) => copy === 0)
    .flatMap(({ index, modules }: LayerRow) => modules.map((module) => ({ module, layer: index })));
  return [...outside(ends.before), ...inside, ...outside(ends.behind)];
}

function keyOf({ module, layer }: Place): string {
  return `${layer ?? ""}.${module.label}`;
}

function changeOf(
  old: Module | undefined,
  base: Side,
  now: Module,
  model: Side,
): Omit<Change, "module" | "kind" | "layers"> {
  const [before, after] = [partOf(old, base), partOf(now, model)];
  const [was, is] = [opsOf(before, base.drawings), opsOf(after, model.drawings)];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  // A function has no initializers: what was one is a Constant in it, and computes nothing.
  const ops = names
    .filter((op) => op !== "Constant")
    .map((op) => [op, was[op] ?? 0, is[op] ?? 0] as const)
    .filter(([, a, b]) => a !== b)
    .toSorted(([, a, b], [, c, d]) => Math.abs(d - c) - Math.abs(b - a));
  const outlined = now.text.startsWith("tfc.") && old?.text.startsWith("tfc.") !== true ? now.text : null;
  const known = new Set(old?.adapters.map(({ site }) => site));
  const adapters = now.adapters.filter(({ site }) => !known.has(site));
  return {
    outlined,
    adapters: [...new Set(adapters.map((one) => adapterText(one, now.label)))],
    ops,
    bytes: [before?.bytes ?? 0, after?.bytes ?? 0],
  };
}

/** `lora at q_proj`, `scalarlm` */
function adapterText({ site, kind }: Module["adapters"][number], label: string): string {
  const last = site.slice(site.lastIndexOf(".") + 1);
  return last === label ? kind : `${kind} at ${last}`;
}

function partOf(module: Module | undefined, { parts }: Side): Part | undefined {
  return module?.part == null ? undefined : parts[module.part];
}

function opsOf(part: Part | undefined, drawings: readonly Drawing[]): Readonly<Record<string, number>> {
  return part === undefined ? {} : (drawings[part.drawing]?.ops ?? {});
}

/** How often each op is there, before and after. */
export function opRows(model: Side, base: Side | null): readonly OpRow[] {
  const now = opsOf(model.parts[0], model.drawings);
  const was = base === null ? null : opsOf(base.parts[0], base.drawings);
  const names = [...new Set([...Object.keys(now), ...Object.keys(was ?? {})])];
  const isNumber = (op: string): number => (op === "Constant" ? 1 : 0);
  return names
    .map((op) => ({ op, model: now[op] ?? 0, base: was === null ? null : (was[op] ?? 0) }))
    .toSorted(
      (a, b) =>
        isNumber(a.op) - isNumber(b.op) ||
        b.model - a.model ||
        (b.base ?? 0) - (a.base ?? 0) ||
        (a.op < b.op ? -1 : 1),
    );
}
