import type { Node } from "../../compiler/ir/node.ts";
import { linearMarks, type BlockKind } from "../../compiler/sites/site.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewDecoder, type Block, type Layer, type Seen } from "../../compiler/recognize/decoder.ts";
import type { Linear } from "../../compiler/recognize/linear/linear.ts";
import { projectionsOf } from "../../compiler/recognize/linear/projections.ts";
import { keepsRank } from "../../compiler/ops/rank.ts";
import { isMiss } from "../../compiler/recognize/miss.ts";
import { missText } from "./_misses.ts";
import { admitFunctions, moduleName } from "../_module.ts";
import { outlineBlocks, type Marks, type Outlined } from "./_outline.ts";

/** What tells the outlining of attention from that of MLPs. */
export interface OutlineSpec<B extends Block> {
  readonly name: string;
  readonly summary: string;
  /** Whether a block that was seen is of the kind. */
  readonly isOwn: (seen: Seen) => boolean;
  readonly site: BlockKind;
  /** Last part of the calls' names: `self_attn`. */
  readonly module: string;
  readonly functionName: string;
  readonly unmatched: "ATTENTION_UNMATCHED" | "MLP_UNMATCHED" | "MOE_UNMATCHED";
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
          const own = view.seen.filter(spec.isOwn);
          const matched = own.filter(({ answer }) => !isMiss(answer)).length;
          if (matched < own.length) {
            const misses = missText(own);
            sink.report(spec.unmatched, { file: model.loc.file }, { matched, seen: own.length, misses });
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
  // Where something outside reads the rows of the last projection, the Reshape behind it stays outside.
  const reshapes = !keepsRank(region.output, region.input);
  const site = { site: spec.site, layer: layer.index, hiddenSize, dtype, outputDtype, castsInput, reshapes };
  return {
    region,
    name: moduleName(layer, spec.module),
    site,
    roles: spec.rolesOf(block),
    marks: marksOf(block),
  };
}

/** Marks the projections of a block, for what is put beside them. */
function marksOf(block: Block): Marks {
  const marks = new Map<Node, ReadonlyMap<string, string>>();
  for (const { linear, ...mark } of projectionsOf(block)) {
    const reader = readerOf(linear);
    const maker = linear.output.producer;
    if (reader === null || maker === null) continue;
    for (const [node, texts] of linearMarks(mark, reader, maker)) {
      // A node that quantizes the input of several linears has a mark of each.
      const known = marks.get(node) ?? new Map<string, string>();
      marks.set(node, joined(known, texts));
    }
  }
  return marks;
}

function joined(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): Map<string, string> {
  const all = new Map(a);
  for (const [key, text] of b) all.set(key, all.has(key) ? `${all.get(key) ?? ""} ${text}` : text);
  return all;
}

/** The node whose first input is the linear's: what multiplies, or what quantizes for it. */
function readerOf({ node, input }: Linear): Node | null {
  if (node.input(0) === input) return node;
  const maker = node.input(0)?.producer ?? null;
  return maker?.input(0) === input ? maker : null;
}
