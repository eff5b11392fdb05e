import {
  injectAdapters,
  overrideWeights,
  packProjections,
  quantizeWeights,
  replaceLinears,
  type Residence,
} from "../../passes/index.ts";
import { describedIn, type AdapterDescription } from "../adapters/description.ts";
import { ADAPTER_KEY } from "../adapters/kind.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Model } from "../ir/model.ts";
import type { PassResult } from "../pass/runner.ts";
import { counts, type DecoderView } from "../recognize/decoder.ts";

/** What {@link compile} did. */
export interface CompileReport {
  /** The base model. */
  readonly input: string;
  /** The compiled model, absolute. */
  readonly output: string;
  /** Attention blocks that were understood, and that were seen. */
  readonly attention: { readonly matched: number; readonly seen: number };
  /** MLPs, and mixtures of experts, that were understood, and that were seen. */
  readonly mlp: { readonly matched: number; readonly seen: number };
  /** How many adapters of each kind were put in. */
  readonly kinds: Readonly<Record<string, number>>;
  /** How many adapters were put in, of all kinds. */
  readonly adapters: number;
  readonly residence: Residence;
  /** Projections and MLPs that were replaced. */
  readonly replaced: number;
  /** Weights of the base that were replaced by those of a checkpoint. */
  readonly overrides: number;
  /** Products that hold several projections of the base each. */
  readonly packed: number;
  /** Weights of the base that were quantized. */
  readonly quantized: number;
  /**
   * Numbers that adapters add, and those of the base. Of a bank's some are `padding`: members are filled up to the
   * largest of their site.
   */
  readonly parameters: { readonly added: number; readonly padding: number; readonly base: number };
  /** Files written or linked, absolute. */
  readonly files: readonly string[];
  /** What each pass did, in the order in which they ran. */
  readonly passes: readonly PassResult[];
  /** Warnings and notes. */
  readonly diagnostics: readonly Diagnostic[];
  /** Milliseconds. */
  readonly time: number;
}

/** What a compilation is reported from, when all is written. */
export interface Done {
  readonly input: string;
  readonly output: string;
  readonly model: Model;
  readonly view: DecoderView;
  readonly residence: Residence;
  readonly base: number;
  readonly files: readonly string[];
  readonly passes: readonly PassResult[];
  readonly diagnostics: readonly Diagnostic[];
  readonly time: number;
}

/** A counter of a pass; 0 where it did not run. */
export function statOf(passes: readonly PassResult[], pass: string, name: string): number {
  return passes.find((one) => one.pass === pass)?.stats[name] ?? 0;
}

export function reportOf({ model, view, base, ...done }: Done): CompileReport {
  const stat = (pass: string, name: string): number => statOf(done.passes, pass, name);
  return {
    ...done,
    attention: counts(view, "attention"),
    mlp: counts(view, "mlp"),
    kinds: kindsOf(describedIn(model.meta, ADAPTER_KEY, model.loc.file)),
    adapters: stat(injectAdapters.name, "adapters"),
    replaced: stat(replaceLinears.name, "replaced"),
    overrides: stat(overrideWeights.name, "overrides"),
    packed: stat(packProjections.name, "packed"),
    quantized: stat(quantizeWeights.name, "quantized"),
    parameters: {
      added: stat(injectAdapters.name, "parameters") + stat(replaceLinears.name, "parameters"),
      padding: stat(injectAdapters.name, "padding"),
      base,
    },
  };
}

function kindsOf(described: AdapterDescription | null): Readonly<Record<string, number>> {
  const kinds: Record<string, number> = {};
  for (const { kind, sites } of described?.parts ?? []) kinds[kind] = (kinds[kind] ?? 0) + sites.length;
  return kinds;
}
