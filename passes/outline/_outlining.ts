import type { Node } from "../../compiler/ir/node.ts";
import { linearMarks, type BlockKind } from "../../compiler/sites/site.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { Context } from "../../compiler/pass/pass.ts";
import type { Block, Layer, Seen } from "../../compiler/recognize/decoder.ts";
import type { Linear } from "../../compiler/recognize/linear/linear.ts";
import { projectionsOf } from "../../compiler/recognize/linear/projections.ts";
import { keepsRank } from "../../compiler/ops/rank.ts";
import { missText } from "./_misses.ts";
import { admitFunctions, moduleName } from "../_module.ts";
import { outlineBlocks, type Marks, type Outlined } from "./_outline.ts";

/** What a block becomes a call of. */
export interface BlockSpec {
  readonly site: BlockKind;
  /** Last part of the call's name: `self_attn`. */
  readonly module: string;
  /** What values are to the block: names of the function's parameters. */
  readonly roles: ReadonlyMap<Value, string>;
}

/** Collects blocks on the way through a model, and outlines them together: equal ones share a function. */
export class Outlining {
  readonly #context: Context<object>;
  readonly #blocks: Outlined[] = [];
  readonly #misses: Seen[] = [];
  #before = 0;

  constructor(context: Context<object>) {
    this.#context = context;
  }

  /** Notes a block that was understood. */
  block(block: Block, layer: Layer, { site, module, roles }: BlockSpec): void {
    const { region, hiddenSize, dtype, outputDtype, castsInput } = block;
    // Where something outside reads the rows of the last projection, the Reshape behind it stays outside.
    const reshapes = !keepsRank(region.output, region.input);
    const mark = { site, layer: layer.index, hiddenSize, dtype, outputDtype, castsInput, reshapes };
    this.add({ region, name: moduleName(layer, module), site: mark, roles, marks: marksOf(block) });
  }

  /** Notes what is to become a call. */
  add(outlined: Outlined): void {
    this.#blocks.push(outlined);
  }

  /** Notes a block that is a call already. */
  isOutlined(): void {
    this.#before++;
  }

  /** Notes a block that was not understood. */
  miss(seen: Seen): void {
    this.#misses.push(seen);
  }

  /** Warns of the blocks that were not understood. */
  warn(code: "ATTENTION_UNMATCHED" | "MLP_UNMATCHED" | "MOE_UNMATCHED"): void {
    const { model, sink } = this.#context;
    if (this.#misses.length === 0) return;
    const matched = this.#blocks.length + this.#before;
    const seen = matched + this.#misses.length;
    sink.report(code, { file: model.loc.file }, { matched, seen, misses: missText(this.#misses) });
  }

  /** Makes calls of all that was noted, and counts them. */
  outline(functionName: string, stat: string): void {
    const { model, rewriter, count } = this.#context;
    if (this.#blocks.length === 0) return;
    admitFunctions(model, rewriter);
    count("functions", outlineBlocks(model, rewriter, this.#blocks, functionName));
    count(stat, this.#blocks.length);
  }
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
