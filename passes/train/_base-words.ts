import { inputError } from "../../compiler/diagnostics/error.ts";
import { valueText, type Option } from "../../compiler/pass/options.ts";
import { PROJECTIONS, siteList, type Selector } from "../../compiler/sites/selector.ts";
import { blockKinds, projectionKinds } from "../../compiler/sites/site.ts";

/** Words for weights of the base that are no site's alone. */
const groups = ["norms", "embed_tokens", "lm_head", "biases", "router", "experts"] as const;
type Group = (typeof groups)[number];

/** Stands for all weights that the graph has. */
export const ALL = "all";

/** Which weights of the base are trained. */
export interface BaseSelection {
  readonly groups: ReadonlySet<Group>;
  /** Blocks and projections, of all layers or of some. */
  readonly selectors: readonly Selector[];
  /** Whether everything was asked for, whatever there is of it. */
  readonly isAll: boolean;
}

/** Sites whose weights are the base's own; the steps around an MLP have none. */
const own: ReadonlySet<Selector["site"]> = new Set([...blockKinds, ...projectionKinds, PROJECTIONS] as const);

const sites = siteList({ help: "sites" });

/** `norms,embed_tokens,lm_head,q_proj,mlp@0-3`: words of {@link groups}, `all`, and sites. */
export const baseWords: Option<BaseSelection> = {
  help: "weights of the base that are trained",
  default: { groups: new Set(), selectors: [], isAll: false },
  placeholder: "list",
  check: (value, flag) => {
    if (isSelection(value)) return value;
    const words = typeof value === "string" ? value.split(",").map((word) => word.trim()) : [];
    if (words.length === 0 || words.includes("")) throw unknownWord(flag, valueText(value));
    const chosen = new Set<Group>();
    const selectors: Selector[] = [];
    for (const word of words) {
      const group = groups.find((one) => one === word);
      if (group !== undefined) chosen.add(group);
      else if (word === ALL) {
        for (const one of groups) chosen.add(one);
        for (const site of blockKinds) selectors.push({ site, layers: null });
      } else selectors.push(selectorOf(word, flag));
    }
    return { groups: chosen, selectors, isAll: words.includes(ALL) };
  },
};

/** Projections of an MLP, or of an expert. */
export const ofMlp = ["gate_proj", "up_proj", "down_proj"] as const;

/** Whether a word for sites means MLPs, or projections that they have. */
export function isOfMlp(site: Selector["site"]): boolean {
  return site === PROJECTIONS || site === "mlp" || ofMlp.some((one) => one === site);
}

function selectorOf(word: string, flag: string): Selector {
  const [site] = word.split("@");
  if (![...own].some((kind) => kind === site)) throw unknownWord(flag, word);
  const [selector] = sites.check(word, flag);
  if (selector === undefined) throw unknownWord(flag, word);
  return selector;
}

function isSelection(value: unknown): value is BaseSelection {
  return typeof value === "object" && value !== null && "groups" in value && "selectors" in value;
}

function unknownWord(option: string, value: string): Error {
  return inputError("OPTION_UNKNOWN_VALUE", {}, { option, value, allowed: [...groups, ALL, ...own] });
}
