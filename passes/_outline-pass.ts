import type { SiteKind } from "../compiler/ir/site.ts";
import type { Value } from "../compiler/ir/value.ts";
import type { Pass } from "../compiler/pass/pass.ts";
import { counts, viewDecoder, type Block, type Layer, type Seen } from "../compiler/recognize/decoder.ts";
import { missText } from "./_misses.ts";
import { admitFunctions, moduleName } from "./_module.ts";
import { outlineBlocks, type Outlined } from "./_outline.ts";

/** What tells the outlining of attention from that of MLPs. */
export interface OutlineSpec<B extends Block> {
  readonly name: string;
  readonly summary: string;
  readonly block: Seen["block"];
  readonly site: SiteKind;
  /** Last part of the calls' names: `self_attn`. */
  readonly module: string;
  readonly functionName: string;
  readonly unmatched: "ATTENTION_UNMATCHED" | "MLP_UNMATCHED";
  readonly blockOf: (layer: Layer) => B | null;
  /** What values are to the block: names of the function's parameters. */
  readonly rolesOf: (block: B) => ReadonlyMap<Value, string>;
}

/** A pass that turns all understood blocks of a kind into calls, and warns of those that were missed. */
export function outlinePass<B extends Block>(spec: OutlineSpec<B>): Pass {
  return {
    name: spec.name,
    summary: spec.summary,
    options: {},
    stats: ["blocks", "functions"],
    scopes: ["main"],
    requires: [],
    ensures: [],
    visitor: ({ model, rewriter, sink, analysis, count }) => ({
      graph: {
        // The view spans the main graph and those inside it: one visit sees all.
        enter: () => {
          const view = analysis(viewDecoder);
          const { matched, seen } = counts(view, spec.block);
          if (matched < seen) {
            const misses = missText(view, spec.block);
            sink.report(spec.unmatched, { file: model.loc.file }, { matched, seen, misses });
          }
          const blocks = view.layers.flatMap((layer) => {
            const block = spec.blockOf(layer);
            return block === null ? [] : [outlined(spec, block, layer)];
          });
          if (blocks.length === 0) return "stop";
          admitFunctions(model, rewriter);
          const to = { pass: spec.name, functionName: spec.functionName };
          count("functions", outlineBlocks(model, rewriter, blocks, to));
          count("blocks", blocks.length);
          return "stop";
        },
      },
    }),
  };
}

function outlined<B extends Block>(spec: OutlineSpec<B>, block: B, layer: Layer): Outlined {
  const { region, hiddenSize, dtype, outputDtype, castsInput } = block;
  const site = { site: spec.site, layer: layer.index, hiddenSize, dtype, outputDtype, castsInput };
  return { region, name: moduleName(layer, spec.module), site, roles: spec.rolesOf(block) };
}
