import { adapterKinds, freshAdapters } from "../../compiler/adapters/index.ts";
import type { AdapterKind } from "../../compiler/adapters/kind.ts";
import { PROJECTIONS, selectorText, selects, type Selector } from "../../compiler/sites/selector.ts";
import { inputError, passError } from "../../compiler/diagnostics/error.ts";
import type { Sink } from "../../compiler/diagnostics/sink.ts";
import { blockKinds, type BlockKind } from "../../compiler/sites/site.ts";
import { checkOptions } from "../../compiler/pass/options.ts";
import type { AdapterFile, AdapterPart } from "../../compiler/weights/adapter-file.ts";
import { checkExpected } from "../../compiler/weights/expected.ts";
import { unpackedParts } from "../../compiler/weights/packed.ts";
import { isProjection, siteKey, siteName } from "../../compiler/sites/names.ts";
import type { Entry } from "./_entries.ts";
import { byKey, type Place } from "../../compiler/sites/places.ts";

/** One adapter at a place. */
export interface Member {
  readonly settings: object;
  /** Its weights; null for fresh ones. */
  readonly given: { readonly part: AdapterPart; readonly file: string } | null;
  readonly seed: number;
}

/** What is put at a place. */
export interface Assignment {
  readonly kind: AdapterKind;
  /** Those of some member: all agree in what the function depends on. */
  readonly settings: object;
  /** One, or those of a bank; null for one that has nothing at this place. */
  readonly members: readonly (Member | null)[];
}

export interface Assigning {
  readonly entries: readonly Entry[];
  /** How many fresh adapters stand at a place. */
  readonly members: number;
  readonly given: readonly AdapterFile[];
  readonly seed: number;
  /** The pass, for messages. */
  readonly pass: string;
  /** Whether adapters are inputs of the graph, or parameters that it trains. */
  readonly areFed: boolean;
}

/** What goes where, by site key. @throws TfcError where something that was asked for has no place */
export function assign(
  places: readonly Place[],
  options: Assigning,
  sink: Sink,
): ReadonlyMap<string, Assignment> {
  if (options.given.length === 0) return assignFresh(places, options, sink);
  for (const file of options.given) {
    // A step has no linear that PEFT could put LoRA beside, whatever its patterns match.
    const linears = places.filter(({ step }) => step === undefined);
    checkExpected(
      file,
      linears.map(({ ref }) => ref),
      options.pass,
    );
  }
  return assignGiven(places, options);
}

function assignFresh(
  places: readonly Place[],
  { entries, members, seed, pass }: Assigning,
  sink: Sink,
): ReadonlyMap<string, Assignment> {
  const assigned = new Map<string, Assignment>();
  const entryOf = new Map<string, Entry>();
  const file = places[0]?.site.node.loc.file ?? "";
  for (const entry of entries) {
    const asked = freshAdapters.get(entry.kind);
    if (asked === undefined) throw new Error(`no adapter kind ${entry.kind}`);
    const { kind, name } = asked;
    const options = checkOptions<object>(kind.options, entry.settings, `adapter ${name}`);
    const settings = { ...options, ...asked.settings };
    const fresh = Array.from({ length: members }, (_, i) => ({ settings, given: null, seed: seed + i }));
    const usual = kind.defaultSites.map((site) => ({ site, layers: null }));
    const isUsual = entry.sites.length === 0;
    const has = (selector: Selector): boolean => places.some((place) => selects(selector, place.ref));
    for (const selector of isUsual ? usual : entry.sites) {
      const found = places.filter((place) => selects(selector, place.ref));
      // Nobody asked for this site by name: blocks that were missed were warned of, and the others have theirs.
      if (isUsual && found.length === 0 && usual.some(has)) continue;
      checkFound(selector, found, { places, file, pass, sink });
      for (const place of found) {
        const key = siteKey(place.ref);
        const before = entryOf.get(key);
        if (before !== undefined && before !== entry)
          throw passError("SITE_TWICE", { file, pass }, { site: place.name, kinds: [before.kind, name] });
        assigned.set(key, { kind, settings, members: fresh });
        entryOf.set(key, entry);
      }
    }
  }
  return assigned;
}

interface Finding {
  readonly places: readonly Place[];
  readonly file: string;
  readonly pass: string;
  readonly sink: Sink;
}

/** A layer that was named must have the site; where all are meant, some must, and those that lack it are named. */
function checkFound(
  selector: Selector,
  found: readonly Place[],
  { places, file, pass, sink }: Finding,
): void {
  const have = new Set(found.map(({ ref }) => ref.layer));
  const named = (selector.layers ?? []).flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
  );
  const missing = named.find((layer) => !have.has(layer));
  if (found.length === 0 || missing !== undefined) {
    const text = missing === undefined ? "none" : `none in layer ${missing}`;
    throw passError("SITE_EMPTY", { file, pass }, { site: selectorText(selector), found: text });
  }
  const within = blocksOf(selector.site);
  if (within.length === 0) return;
  const having = new Set(found.map(({ site }) => site.node));
  const blocks = places.filter(
    ({ ref, inner }) => inner === null && within.some((kind) => ref.site === kind),
  );
  const lacking = blocks.filter(
    ({ ref, site }) =>
      (selector.layers === null || selects({ ...selector, site: ref.site }, ref)) && !having.has(site.node),
  );
  if (lacking.length === 0) return;
  sink.report(
    "SITE_PARTIAL",
    { file, pass },
    { site: selector.site, blocks: lacking.map(({ name }) => name) },
  );
}

/** The blocks that have a projection, or some; none for what is no projection. */
function blocksOf(site: Selector["site"]): readonly BlockKind[] {
  if (site === PROJECTIONS) return blockKinds;
  if (!isProjection(site)) return [];
  const [attn, mlp] = blockKinds;
  return [/^(gate|up|down)/.test(site) ? mlp : attn];
}

function assignGiven(places: readonly Place[], { given, pass }: Assigning): ReadonlyMap<string, Assignment> {
  const known = byKey(places);
  const assigned = new Map<string, Assignment>();
  given.forEach((adapter, index) => {
    const { file } = adapter;
    for (const part of unpackedParts(adapter, (site) => widthAt(known.get(siteKey(site))))) {
      const kind = adapterKinds.get(part.kind);
      if (kind === undefined) throw new Error(`no adapter kind ${part.kind}`);
      const key = siteKey(part.site);
      const name = siteName(part.site);
      if (!known.has(key)) {
        throw inputError(
          "ADAPTER_SITE_MISSING",
          { file, name: `${name}.${kind.leafNames[0] ?? ""}`, pass },
          { site: name, model: places[0]?.site.node.loc.file ?? "" },
        );
      }
      const before = assigned.get(key);
      checkAlike(before, part, kind, { file, pass });
      const members = Array.from({ length: given.length }, (_, i) => before?.members[i] ?? null);
      if (members[index] !== null) {
        throw inputError("SITE_TWICE", { file, name, pass }, { site: name, kinds: [kind.name, kind.name] });
      }
      members[index] = { settings: part.settings, given: { part, file }, seed: 0 };
      assigned.set(key, { kind, settings: part.settings, members });
    }
  });
  return assigned;
}

/** The features of a projection that a model may have in several branches, which agree. */
function widthAt(places: readonly Place[] | undefined): number | null {
  const inner = places?.[0]?.inner;
  return inner?.linear.parts[inner.part]?.width ?? null;
}

/** One function serves all members at a place. */
function checkAlike(
  before: Assignment | undefined,
  part: AdapterPart,
  kind: AdapterKind,
  { file, pass }: { readonly file: string; readonly pass: string },
): void {
  if (before === undefined) return;
  const text = (kind: AdapterKind, settings: object): string =>
    `${kind.name} ${kind.bodyKey(settings)}`.trim();
  const [wanted, found] = [text(before.kind, before.settings), text(kind, part.settings)];
  if (wanted === found) return;
  const name = siteName(part.site);
  throw inputError("BANK_MIXED", { file, name, pass }, { site: name, wanted, found });
}
