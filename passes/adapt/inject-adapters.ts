import { describeAdapters, takesInputs } from "../../compiler/adapters/description.ts";
import { memberNames } from "../../compiler/adapters/member-names.ts";
import { ADAPTER_KEY } from "../../compiler/adapters/kind.ts";
import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Builder } from "../../compiler/ir/builder.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { rankOf } from "../../compiler/ops/rank.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { isOutside } from "../../compiler/sites/names.ts";
import { outlined } from "../../compiler/sites/invariants.ts";
import { choice, given, integer, yesNo } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import type { AdapterFile } from "../../compiler/weights/adapter-file.ts";
import { AdapterValues, PARAMETERS, residences, type Residence } from "./_adapter-values.ts";
import { entriesOption, type Entry } from "./_entries.ts";
import { joined, type Chosen } from "./_inner.ts";
import { Injector, type Adapted } from "./_injector.ts";
import { planAdapters, type AdapterPlan } from "./_adapter-plan.ts";
import { modules, type ModuleVisitor } from "../../compiler/sites/modules.ts";
import { placesOf, type StepPlace } from "../../compiler/sites/places.ts";
import { rankBehind } from "./_member-ids.ts";
import { outsidePlaces } from "./_outside-places.ts";
import { stepPlaces } from "./_step-places.ts";

export interface InjectOptions {
  /** Fresh adapters, by kind and sites. */
  readonly entries: readonly Entry[];
  readonly seed: number;
  readonly residence: Residence;
  /** How many fresh adapters a bank holds. */
  readonly members: number;
  /** Adapters that were trained: one, or the members of a bank. */
  readonly given: readonly AdapterFile[];
  /** Whether they are to be trained. */
  readonly trains: boolean;
}

/**
 * Puts adapters beside outlined blocks and beside projections in them.
 *
 * Before: `y = tfc.Mlp (x, weights…)`.
 * After: `y' = tfc.Mlp (x, weights…)`, `a = tfc.ScalarlmAdapter (x, leaves…)`, `y = Add (y', a)`; readers of y read
 * the sum, and a graph output keeps its name.
 *
 * A projection is inside the block's function: there `q' = MatMul (x, W)` is followed by `a = tfc.LoraAdapter (x,
 * leaves…)` and `Add`, and the leaves become parameters of the function. Calls that differ in what is put inside get
 * functions of their own. Where projections are packed, their product stays one.
 *
 * Leaves are named as checkpoints name them. Refuses sites that do not compute in floating point, and weights that have
 * no place or do not fit it.
 */
export const injectAdapters: Pass<InjectOptions, ModuleVisitor> = {
  name: "inject-adapters",
  summary: "put adapters beside the chosen blocks and projections",
  options: {
    entries: entriesOption({
      help: "fresh adapters: kinds with their sites and settings",
      default: [{ kind: "scalarlm", sites: [], settings: {} }],
    }),
    seed: integer({ help: "seed of the adapters' first weights", default: 0, min: 0, max: 2 ** 32 - 1 }),
    residence: choice({ help: "where the adapters' weights are", default: "baked", of: residences }),
    members: integer({ help: "fresh adapters in a bank", default: 1, min: 1, max: 4096 }),
    given: given({ help: "trained adapters", default: [] }),
    trains: yesNo({ help: "makes them parameters that are trained" }),
  },
  stats: ["adapters", "parameters", "padding"],
  requires: [outlined],
  walk: modules,
  visitor: ({ model, options, rewriter, sink, analysis, count }) => {
    const pass = "inject-adapters";
    const { residence } = options;
    const members = options.given.length > 0 ? options.given.length : options.members;
    const places = analysis(placesOf);
    const steps = stepPlaces(places);
    const outside = asksOutside(options.given) ? outsidePlaces(model, analysis(viewDecoder), places) : [];
    const all = [...outside, ...places, ...[...steps.values()].flat()];
    const plan = planAdapters(all, { ...options, pass, areFed: areFed(options) }, sink);
    if (residence === "bank") checkBank(plan, outside, pass);
    warnOfLora(plan, sink, pass);
    const values = new AdapterValues(model, rewriter, options.trains ? PARAMETERS : residence, { pass });
    const banked = residence === "bank" ? members : null;
    const injector = new Injector(model, rewriter, { pass, label: "adapter" }, values, banked);
    const around = (step: StepPlace): void => {
      const placed = plan.at(step);
      if (placed !== null) injector.around(placed, addBehind);
    };
    return {
      projection: {
        exit: (place) => {
          const placed = plan.at(place);
          if (placed !== null) injector.inside(placed);
        },
      },
      module: {
        exit: (place) => {
          const [placed, sides] = [plan.at(place), bothSides(steps.get(place.site) ?? [])];
          sides.behind.forEach(around);
          if (placed !== null) injector.beside(placed, addBehind);
          sides.ahead.forEach(around);
        },
      },
      body: {
        exit: (body) => {
          injector.write(body, addInside);
        },
      },
      model: {
        exit: () => {
          outside.forEach(around);
          count("adapters", plan.placed.length);
          count("parameters", values.parameters);
          count("padding", values.padding);
          if (plan.placed.length === 0) return;
          rewriter.setMeta(model, ADAPTER_KEY, descriptionOf(plan.parts, options, members));
        },
      },
    };
  },
};

function descriptionOf(
  parts: Parameters<typeof describeAdapters>[0],
  { residence, given }: { readonly residence: string; readonly given: readonly { readonly file: string }[] },
  members: number,
): string {
  return describeAdapters(parts, { residence, members, names: memberNames(given.map(({ file }) => file)) });
}

/**
 * The steps in front of a block, and those behind it from the last to the first: what reads an output comes before what
 * makes it, so that the sum of the one is what the other reads.
 */
function bothSides(steps: readonly StepPlace[]): {
  readonly ahead: readonly StepPlace[];
  readonly behind: readonly StepPlace[];
} {
  const ahead = steps.filter(({ ref }) => ref.site === "pre_mlp_norm");
  return { ahead, behind: steps.filter((step) => !ahead.includes(step)).toReversed() };
}

/** Embeddings and head are looked for where something is to be put there. */
/** Whether adapters may change from run to run. */
function areFed({ trains, residence }: InjectOptions): boolean {
  return trains || takesInputs(residence);
}

function asksOutside(given: readonly AdapterFile[]): boolean {
  return given.some(({ parts }) => parts.some(({ site }) => isOutside(site.site)));
}

/** Outside the layers a bank must find its members by the same ids as inside, one for each row or for each token. */
function checkBank(plan: AdapterPlan, outside: readonly StepPlace[], pass: string): void {
  for (const place of outside) {
    const { site, step, name } = place;
    const wanted = rankOf(site.input) === 2 ? 2 : 3;
    const found = rankBehind(step);
    if (plan.at(place) === null || wanted === found) continue;
    throw inputError("BANK_REFUSED", { ...placeOf(step.node), pass }, { site: name, wanted, found });
  }
}

/** Trained LoRA beside a projection that the graph adds LoRA to would count twice if both are the same. */
function warnOfLora({ placed }: AdapterPlan, sink: Sink, pass: string): void {
  const twice = placed.filter(
    ({ place: { inner }, kind, members }) =>
      inner?.linear.hasLora === true &&
      kind.name === "lora" &&
      members.some((one) => (one?.member.given ?? null) !== null),
  );
  const [first] = twice;
  if (first === undefined) return;
  const where = { ...placeOf(first.place.site.node), pass };
  sink.report("LORA_IN_GRAPH", where, { sites: twice.map(({ place }) => place.name) });
}

/** Adds an adapter's result to the block's, for all who read it. */
function addBehind(b: Builder, { name, output, readers, result }: Adapted): void {
  const sum = b.op("Add", [output, result], `${name}.adapted`);
  b.rewriter.replaceUses(output, sum, (use) => readers.has(use));
}

/** Adds results to a projection's, or to those parts of a packed one that have any. */
function addInside(b: Builder, { linear, readers, results }: Chosen): void {
  const { output, parts } = linear;
  const added = results.flatMap((result) => (result === null ? [] : [result]));
  const name = parts.map(({ site }) => site).join("_");
  const isWhole = added.length === parts.length;
  const adapted = isWhole
    ? b.op("Add", [output, joined(b, added, `${name}.adapters`)], `${name}.adapted`)
    : addToParts(b, linear, results, name);
  b.rewriter.replaceUses(output, adapted, (use) => readers.has(use));
}

function addToParts(
  b: Builder,
  { output, parts }: Chosen["linear"],
  results: Chosen["results"],
  name: string,
): Value {
  const widths = parts.map(({ width }) => width);
  const apart = b.split(
    output,
    widths,
    parts.map(({ site }) => `${site}.part`),
  );
  const summed = apart.map((part, i) => {
    const result = results[i] ?? null;
    return result === null ? part : b.op("Add", [part, result], `${parts[i]?.site ?? ""}.adapted`);
  });
  return joined(b, summed, `${name}.adapted`);
}
