import type { Node } from "../../compiler/ir/node.ts";
import { linearMarks, roleMark, type BlockKind } from "../../compiler/sites/site.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { Context } from "../../compiler/pass/pass.ts";
import type { Block, Layer, Seen } from "../../compiler/recognize/decoder.ts";
import type { Linear } from "../../compiler/recognize/linear/linear.ts";
import { projectionsOf } from "../../compiler/recognize/linear/projections.ts";
import { rolesIn } from "../../compiler/recognize/roles.ts";
import { keepsRank } from "../../compiler/ops/rank.ts";
import { missText } from "./_misses.ts";
import { admitFunctions, moduleName } from "../_module.ts";
import { Calls, type Marks, type Member, type Outlined } from "./_outline.ts";

/** What a kind of block becomes calls of. */
export interface CallSpec {
  readonly site: BlockKind;
  /** Last part of the calls' names: `self_attn`. */
  readonly module: string;
}

/** Blocks on their way from being visited to being calls. */
export class Outlining {
  readonly #context: Context<object>;
  readonly #calls: Calls;
  readonly #noted = new Map<object, Member>();
  readonly #misses: Seen[] = [];
  #before = 0;

  /** @param functionName of the functions that blocks become calls of: `Mlp` */
  constructor(context: Context<object>, functionName: string) {
    this.#context = context;
    this.#calls = new Calls(context.model, context.rewriter, functionName);
  }

  /** Notes a block that was understood, on entering it. */
  block(block: Block, layer: Layer, { site, module }: CallSpec, roles: ReadonlyMap<Value, string>): void {
    const { region, hiddenSize, dtype, outputDtype, castsInput } = block;
    // Where something outside reads the rows of the last projection, the Reshape behind it stays outside.
    const reshapes = !keepsRank(region.output, region.input);
    const mark = { site, layer: layer.index, hiddenSize, dtype, outputDtype, castsInput, reshapes };
    this.note(block, {
      region,
      name: moduleName(layer, module),
      site: mark,
      roles,
      marks: marksOf(block),
    });
  }

  /** Notes what is to become a call, on entering it. */
  note(place: object, outlined: Outlined): void {
    this.#noted.set(place, this.#calls.add(outlined));
  }

  /** Notes a block that is a call already. */
  isOutlined(): void {
    this.#before++;
  }

  /** Notes a block that was not understood. */
  miss(seen: Seen): void {
    this.#misses.push(seen);
  }

  /** Makes a call of what was noted at a place, on leaving it; counts it as `stat`. */
  leave(place: object, stat: string): void {
    const { model, rewriter, count } = this.#context;
    const member = this.#noted.get(place);
    if (member === undefined) return;
    admitFunctions(model, rewriter);
    if (this.#calls.replace(member)) count("functions");
    count(stat);
  }

  /** Warns of the blocks that were not understood. */
  warn(code: "ATTENTION_UNMATCHED" | "MLP_UNMATCHED" | "MOE_UNMATCHED"): void {
    const { model, sink } = this.#context;
    if (this.#misses.length === 0) return;
    const matched = this.#noted.size + this.#before;
    const seen = matched + this.#misses.length;
    sink.report(code, { file: model.loc.file }, { matched, seen, misses: missText(this.#misses) });
  }
}

/** Marks the projections of a block, for what is put beside them; in a mixture, what its products are for. */
function marksOf(block: Block): Marks {
  const marks = new Map<Node, ReadonlyMap<string, string>>();
  // In a function a weight is an input, by which nobody tells a router from an expert any more.
  if (block.kind === "moe")
    for (const [node, names] of rolesIn(block)) marks.set(node, new Map([roleMark(names)]));
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
