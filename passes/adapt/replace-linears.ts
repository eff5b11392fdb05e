import { describeAdapters } from "../../compiler/adapters/description.ts";
import { REPLACED_KEY, type Leaf } from "../../compiler/adapters/kind.ts";
import { inputError, passError } from "../../compiler/diagnostics/error.ts";
import { selects } from "../../compiler/sites/selector.ts";
import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import type { Builder } from "../../compiler/ir/builder.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, replaceBy } from "../../compiler/ir/rewrite.ts";
import { markLinear, markSite } from "../../compiler/sites/site.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { outlined } from "../../compiler/sites/invariants.ts";
import { given, integer, yesNo } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import type { AdapterFile } from "../../compiler/weights/adapter-file.ts";
import { AdapterValues, PARAMETERS } from "./_adapter-values.ts";
import { entriesOption, type Entry } from "./_entries.ts";
import { joined, type Chosen } from "./_inner.ts";
import { Injector, type Adapted } from "./_injector.ts";
import { planAdapters, type AdapterPlan } from "./_adapter-plan.ts";
import { modules, type ModuleVisitor } from "../../compiler/sites/modules.ts";
import { placesOf, type Place } from "../../compiler/sites/places.ts";
import { dropUnused } from "../_unused.ts";

export interface ReplaceOptions {
  /** Token-parameter attention of fresh weights, by sites. */
  readonly entries: readonly Entry[];
  readonly seed: number;
  /** Weights that were trained, of all that is replaced; null for fresh ones. */
  readonly given: readonly AdapterFile[] | null;
  /** Whether they are to be trained. */
  readonly trains: boolean;
}

/** What the paper replaces: every projection of attention, and the feed-forward as a whole. */
export const ALL_REPLACED = "q_proj,k_proj,v_proj,o_proj,mlp";

/**
 * Makes projections, and MLPs as a whole, what they are in a Tokenformer: attention to parameter tokens.
 *
 * Before: `q = MatMul (x, W)` in a block's function; `y = tfc.Mlp (x, weights…)`.
 * After: `q = tfc.Pattention (x, key tokens, value tokens, τ)`; `y = tfc.Pattention (x, …)`.
 *
 * The base's weights and biases go with what they were for. Fresh value tokens are not zeros as those of adapters are:
 * nothing else is left that computes. Refuses `attn`, which is no projection, and a part of a packed projection without
 * the others, whose product stays.
 */
export const replaceLinears: Pass<ReplaceOptions, ModuleVisitor> = {
  name: "replace-linears",
  summary: "make projections and MLPs token-parameter attention",
  options: {
    entries: entriesOption({
      help: "sites with their settings",
      default: [],
      only: { kind: "pattention", sites: ALL_REPLACED },
    }),
    seed: integer({ help: "seed of the first weights", default: 0, min: 0, max: 2 ** 32 - 1 }),
    given: given<ReplaceOptions["given"]>({ help: "trained weights", default: null }),
    trains: yesNo({ help: "makes them parameters that are trained" }),
  },
  stats: ["replaced", "parameters"],
  requires: [outlined],
  walk: modules,
  visitor: ({ model, options, rewriter, sink, analysis, count }) => {
    const pass = "replace-linears";
    const places = analysis(placesOf);
    const from = options.given ?? [];
    const plan = planAdapters(
      places,
      { ...options, given: from, members: 1, pass, areFed: options.trains },
      sink,
    );
    if (options.given !== null) checkGiven(places, plan, options.entries, options.given);
    checkReplaceable(plan);
    const values = new AdapterValues(model, rewriter, options.trains ? PARAMETERS : "baked", {
      pass,
      first: firstNumbers,
    });
    const injector = new Injector(model, rewriter, { pass, label: "pattention" }, values, null);
    return {
      projection: {
        exit: (place) => {
          const placed = plan.at(place);
          if (placed !== null) injector.inside(placed);
        },
      },
      module: {
        exit: (place) => {
          const placed = plan.at(place);
          if (placed !== null) injector.beside(placed, replaceBlock);
        },
      },
      body: {
        exit: (body) => {
          injector.write(body, replaceInside);
        },
      },
      model: {
        exit: () => {
          dropUnused(model, rewriter);
          count("replaced", plan.placed.length);
          count("parameters", values.parameters);
          if (plan.placed.length > 0) rewriter.setMeta(model, REPLACED_KEY, describeAdapters(plan.parts));
        },
      },
    };
  },
};

/** Numbers that compute something from the first. */
function firstNumbers({ init, grows }: Leaf): Leaf["init"] {
  return init.kind === "zeros" && grows !== null ? grows.fill : init;
}

/** A file that has weights for some of what is replaced is not the model's: nothing is made up beside it. */
function checkGiven(
  places: readonly Place[],
  plan: AdapterPlan,
  entries: readonly Entry[],
  [file]: readonly AdapterFile[],
): void {
  const asked = places.filter(({ ref }) =>
    entries.some(({ sites }) => sites.some((selector) => selects(selector, ref))),
  );
  const missing = asked.find((place) => plan.at(place) === null);
  if (missing === undefined) return;
  const where = { file: file?.file ?? "", name: missing.name, pass: "replace-linears" };
  throw inputError("REPLACE_WEIGHTS_MISSING", where, { site: missing.name });
}

function checkReplaceable({ placed }: AdapterPlan): void {
  const names = new Set(placed.map(({ place }) => `${place.site.name} ${place.ref.site}`));
  for (const { place } of placed) {
    const { site, inner, ref } = place;
    const where = { ...placeOf(site.node), pass: "replace-linears" };
    if (inner === null && ref.site === "attn") {
      throw passError("REPLACE_IMPOSSIBLE", where, { site: place.name, why: "attention is no projection" });
    }
    if (inner === null && site.reshapes) {
      const why = "its result has its rows in other axes than its input";
      throw passError("REPLACE_IMPOSSIBLE", where, { site: place.name, why });
    }
    const others = [...site.node.outputs.slice(1)].filter((value) => value.uses.size > 0);
    if (inner === null && others.length > 0) {
      const why = `its "${others[0]?.name ?? ""}" is read elsewhere`;
      throw passError("REPLACE_IMPOSSIBLE", where, { site: place.name, why });
    }
    if (inner !== null && names.has(`${site.name} ${site.site}`)) {
      const why = `the ${site.site} it is in is replaced as a whole`;
      throw passError("REPLACE_IMPOSSIBLE", where, { site: place.name, why });
    }
    const missing = inner?.linear.parts.find((part) => !names.has(`${site.name} ${part.site}`));
    if (missing !== undefined) {
      const why = `it is packed into one product with ${missing.site}, which stays`;
      throw passError("REPLACE_IMPOSSIBLE", where, { site: place.name, why });
    }
  }
}

function replaceInside(b: Builder, { linear, readers, results }: Chosen): void {
  const rw = b.rewriter;
  const { output, parts } = linear;
  const made = results.flatMap((result) => (result === null ? [] : [result]));
  const whole = joined(b, made, parts.map(({ site }) => site).join("_"));
  rw.replaceUses(output, whole, (use) => readers.has(use));
  dropIfUnread(rw, [output]);
  // What stands in a projection's place is one: adapters can be put beside it.
  if (made.length === 1 && whole.producer !== null) markLinear(rw, whole.producer, linear);
}

function replaceBlock(b: Builder, { site, result }: Adapted): void {
  const rw = b.rewriter;
  const reads = site.node.inputs.slice(1);
  replaceBy(rw, site.node, [result]);
  dropIfUnread(rw, reads);
  const call = callOf(result);
  if (call === null) return;
  markSite(rw, call, site);
  rw.setName(call, site.name);
}

/** The adapter's call, behind the Cast of its result. */
function callOf(result: Value): Node | null {
  const node = result.producer;
  return node?.op === "Cast" ? (node.input(0)?.producer ?? null) : node;
}
