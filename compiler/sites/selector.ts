import { inputError } from "../diagnostics/error.ts";
import { isProjection } from "./names.ts";
import { siteKinds, type SiteKind, type SiteRef } from "./site.ts";
import { valueText, type Option } from "../pass/options.ts";

/** Stands for every projection that a model has, whatever they are. */
export const PROJECTIONS = "projections";

/** What can be said in a list of sites. */
export const siteWords = [...siteKinds, PROJECTIONS] as const;

/** Some sites of a model: all of a kind, or those of some layers. */
export interface Selector {
  readonly site: SiteKind | typeof PROJECTIONS;
  /** Ranges of layers, both ends included; null for all layers. */
  readonly layers: readonly (readonly [from: number, to: number])[] | null;
}

/** More layers than any decoder has: a range must not make a list that fills the memory. */
const MOST_LAYERS = 100_000;

/** `mlp@0-15,q_proj,o_proj@0-3+8`, or `projections`: sites, each with layers where not all are meant. */
export function siteList(spec: { help: string }): Option<readonly Selector[]> {
  return {
    help: spec.help,
    default: [],
    placeholder: "sites",
    check: (value, flag) => {
      const words = typeof value === "string" ? value.split(",") : value;
      if (!Array.isArray(words) || words.length === 0) throw unknownSite(flag, valueText(value));
      return words.map((word: unknown) => parseSelector(word, flag));
    },
  };
}

function parseSelector(word: unknown, flag: string): Selector {
  if (isSelector(word)) return word;
  const text = typeof word === "string" ? word.trim() : valueText(word);
  const [name = "", layers, ...more] = text.split("@");
  const site = siteWords.find((word) => word === name);
  if (site === undefined || more.length > 0) throw unknownSite(flag, text);
  if (layers === undefined) return { site, layers: null };
  return { site, layers: layers.split("+").map((range) => parseRange(range, text, flag)) };
}

function isSelector(word: unknown): word is Selector {
  return typeof word === "object" && word !== null && "site" in word && "layers" in word;
}

function parseRange(range: string, found: string, flag: string): readonly [number, number] {
  const [, from, to = from] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range.trim()) ?? [];
  if (from === undefined || Number(to) < Number(from) || Number(to) > MOST_LAYERS) {
    const wanted = "layers counted from 0, such as mlp@3, mlp@0-15 or mlp@0-3+8";
    throw inputError("OPTION_OUT_OF_RANGE", {}, { option: flag, wanted, found });
  }
  return [Number(from), Number(to)];
}

function unknownSite(option: string, value: string): Error {
  return inputError("OPTION_UNKNOWN_VALUE", {}, { option, value, allowed: siteWords });
}

/** Whether a selector means a site. */
export function selects({ site, layers }: Selector, ref: SiteRef): boolean {
  return (
    (site === PROJECTIONS ? isProjection(ref.site) : site === ref.site) &&
    (layers === null || layers.some(([from, to]) => ref.layer >= from && ref.layer <= to))
  );
}

/** `mlp@0-15` */
export function selectorText({ site, layers }: Selector): string {
  if (layers === null) return site;
  return `${site}@${layers.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join("+")}`;
}
