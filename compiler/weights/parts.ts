import { allLeavesOf, optionsOfKind } from "../adapters/index.ts";
import type { AdapterKind, Shapes } from "../adapters/kind.ts";
import { inputError, TfcError } from "../diagnostics/error.ts";
import type { AdapterPart } from "./adapter-file.ts";
import { jsonText } from "./json-values.ts";
import { siteName } from "../sites/names.ts";
import type { Draft } from "./names/sort.ts";

/** Settings that a user gives for what a file does not say: `{ alpha: 16 }`. Plain JSON. */
export type Hints = Readonly<Record<string, unknown>>;

/**
 * Makes the parts of an adapter: checks that the leaves of each site are complete and fit each other, and settles what
 * they mean. Nothing is read of their bytes.
 *
 * @param stated what the file says of a part
 * @throws TfcError ADAPTER_LEAF_MISSING, ADAPTER_SHAPE_INVALID, ADAPTER_ALPHA_UNKNOWN, ADAPTER_SETTING_INVALID with the
 *   leaf's or site's name; OPTION_UNKNOWN for a hint that no kind in the file has
 */
export function makeParts(
  file: string,
  drafts: readonly Draft[],
  stated: (draft: Draft) => Readonly<Record<string, unknown>>,
  hints: Hints,
): readonly AdapterPart[] {
  checkHints(drafts, hints);
  return drafts.map((draft) => {
    checkComplete(file, draft);
    checkSizes(file, draft);
    const place = { file, name: siteName(draft.site) };
    const settings = settle(place, draft, stated(draft), hints);
    checkShapes(file, draft, settings);
    const leaves = allLeavesOf(draft.kind).flatMap((leaf) => {
      const tensor = draft.leaves.get(leaf);
      return tensor === undefined ? [] : [[leaf, tensor] as const];
    });
    return {
      site: draft.site,
      kind: draft.kind.name,
      settings: { ...settings },
      leaves: new Map(leaves),
    };
  });
}

/** Shapes of a draft's leaves, by their names below the site. */
export function shapesOf({ leaves }: Pick<Draft, "leaves">): Shapes {
  return new Map([...leaves].map(([leaf, { shape }]) => [leaf, shape]));
}

/** A file, and the site or weight that is at fault. */
export interface FilePlace {
  readonly file: string;
  readonly name: string;
}

/** A hint for nothing in the file is surely meant for another file. */
function checkHints(drafts: readonly Draft[], hints: Hints): void {
  const allowed = [...new Set(drafts.flatMap(({ kind }) => Object.keys(optionsOfKind(kind))))];
  for (const option of Object.keys(hints)) {
    if (allowed.includes(option)) continue;
    throw inputError("OPTION_UNKNOWN", {}, { option, owner: "an adapter of this kind", allowed });
  }
}

function checkComplete(file: string, { site, kind, leaves }: Draft): void {
  const missing = kind.leafNames.filter((leaf) => !leaves.has(leaf));
  if (missing.length === 0) return;
  const name = `${siteName(site)}.${missing[0] ?? ""}`;
  throw inputError("ADAPTER_LEAF_MISSING", { file, name }, { kind: kind.name, missing });
}

/**
 * The hints that a kind has settings for.
 *
 * @throws TfcError OPTION_OUT_OF_RANGE, OPTION_UNKNOWN_VALUE
 */
export function hintsFor(kind: AdapterKind, hints: Hints): Hints {
  const options = optionsOfKind(kind);
  const hinted = Object.entries(hints).flatMap(([name, value]) => {
    const option = options[name];
    return option === undefined ? [] : [[name, option.check(value, name)]];
  });
  return Object.fromEntries(hinted) as Hints;
}

/** The file has the word; hints say what it does not, and must not contradict it. */
function settle(place: FilePlace, draft: Draft, stated: Hints, hints: Hints): object {
  const { kind } = draft;
  const hinted = hintsFor(kind, hints);
  for (const setting of kind.mustBeStated) {
    if ((stated[setting] ?? hinted[setting]) !== undefined) continue;
    throw inputError("ADAPTER_ALPHA_UNKNOWN", place, { setting });
  }
  const settings = inFile(place, () => kind.settingsOf(shapesOf(draft), { ...hinted, ...stated }));
  checkAgreed(place, settings, hinted, "as given");
  checkAgreed(place, settings, stated, "as the file says");
  return settings;
}

/** Sizes are what the shapes say: a statement that says another one is about another adapter. */
function checkAgreed(place: FilePlace, settings: object, said: Hints, by: string): void {
  for (const [name, value] of Object.entries(said)) {
    const found = (settings as Readonly<Record<string, unknown>>)[name];
    if (found === value) continue;
    const wanted = `${name} ${jsonText(value)}, ${by}`;
    throw inputError("ADAPTER_SETTING_INVALID", place, { wanted, found: `${name} ${jsonText(found)}` });
  }
}

/** A leaf without elements has no size to tell. */
function checkSizes(file: string, { leaves, names }: Draft): void {
  for (const [leaf, { shape }] of leaves) {
    if (shape.length > 0 && shape.every((size) => size > 0)) continue;
    const place = { file, name: names.get(leaf) ?? leaf };
    throw inputError("ADAPTER_SHAPE_INVALID", place, { wanted: "a matrix", found: `[${shape.join(", ")}]` });
  }
}

function checkShapes(file: string, draft: Draft, settings: object): void {
  const { kind, leaves, names } = draft;
  const width = kind.widthOf(shapesOf(draft));
  // A dimension that is missing fits nothing; the kind is asked for what it would have to be.
  const wide = {
    inFeatures: width.inFeatures || 1,
    outFeatures: width.outFeatures || 1,
    dtype: "float",
  } as const;
  const wanted = inFile({ file, name: siteName(draft.site) }, () => kind.leaves(wide, settings));
  for (const { name, shape } of wanted) {
    const found = leaves.get(name)?.shape ?? [];
    if (found.length === shape.length && found.every((size, i) => size === shape[i])) continue;
    const text =
      found.length === shape.length
        ? `[${shape.join(", ")}], by the other leaves of ${siteName(draft.site)}`
        : `${shape.length} dimensions`;
    const place = { file, name: names.get(name) ?? name };
    throw inputError("ADAPTER_SHAPE_INVALID", place, { wanted: text, found: `[${found.join(", ")}]` });
  }
}

/**
 * Runs something of a kind on what a file says. A kind speaks of flags; here the message is about the file.
 *
 * @throws TfcError ADAPTER_SETTING_INVALID for what the kind refuses
 */
export function inFile<T>(place: FilePlace, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const [first] = cause instanceof TfcError && cause.kind === "input" ? cause.diagnostics : [];
    if (first === undefined) throw cause;
    const { what, wanted = "another value", found = what } = first;
    throw inputError("ADAPTER_SETTING_INVALID", place, { wanted: `${wanted} (${what})`, found }, cause);
  }
}
