import { ADAPTER_KEY } from "../../compiler/adapters/kind.ts";
import { before, Builder } from "../../compiler/ir/builder.ts";
import { isFloat } from "../../compiler/ir/dtype.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import { trainInputs } from "../../compiler/ops/training.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import { number } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { TFC_DOMAIN } from "../../compiler/sites/site.ts";
import { callsOf } from "../_calls.ts";
import { describeTraining } from "./_describe.ts";
import { dropoutFunction } from "./_dropout-function.ts";

export interface DropInputsOptions {
  /** The share of elements that are dropped. */
  readonly share: number;
}

/** More adapters than one function has. */
const WITHIN = 64;

/**
 * Drops a share of what goes into LoRA, as PEFT's `lora_dropout` does.
 *
 * Before: `a = tfc.LoraAdapter (x, …)`.
 * After: `kept = tfc.Dropout (x, dropout_seed, place)`, `a = tfc.LoraAdapter (kept, …)`, with a place of its own for each
 * adapter of each layer. Ids of tokens, which LoRA of embeddings reads, are never dropped.
 */
export const dropInputs: Pass<DropInputsOptions, NodeVisitor> = {
  name: "drop-inputs",
  summary: "drop a share of what goes into LoRA, by a seed",
  options: { share: number({ help: "share of elements", default: 0, min: 0 }) },
  stats: ["adapters"],
  requires: [],
  walk: nodesIn(),
  visitor: ({ model, options, rewriter, count }) => ({
    model: {
      exit: () => {
        if (options.share === 0) return;
        count("adapters", write(model, options.share, rewriter));
        describeTraining(model, rewriter, { dropout: options.share });
      },
    },
  }),
};

function write(model: Model, share: number, rw: Rewriter): number {
  const inside = [...model.functions.values()].filter(({ body }) => adaptersIn(body).length > 0);
  const outside = adaptersIn(model.graph);
  // Whoever asks for dropout feeds a seed, also where there is nothing to drop.
  const seed = seedInput(model, rw);
  if (inside.length + outside.length === 0) return 0;
  const func = dropoutFunction(model, rw, share);
  const calls = callsOf(model);
  let modules = 0;
  const place = (): Value => placeOfModule(model, rw, modules++ * WITHIN);
  for (const node of outside) dropAt(rw, node, func, seed, place());
  let adapters = outside.length;
  for (const caller of inside) {
    const callers = calls.get(caller) ?? [];
    const own = parametersOf(rw, caller, callers, () => [seed, place()]);
    const nodes = adaptersIn(caller.body);
    nodes.forEach((node, i) => {
      dropAt(rw, node, func, own.seed, own.place, i);
    });
    adapters += callers.length * nodes.length;
  }
  return adapters;
}

function seedInput({ graph, loc }: Model, rw: Rewriter): Value {
  const seed = rw.value(loc, trainInputs.dropoutSeed, tensorType("int64", []));
  rw.addInput(graph, seed);
  return seed;
}

function placeOfModule({ graph, loc }: Model, rw: Rewriter, place: number): Value {
  const value = rw.value(
    loc,
    `dropout_place_${place}`,
    tensorType("int64", []),
    tensorOf("int64", [], [place]),
  );
  return rw.addInitializer(graph, value);
}

/** Parameters of a function for the seed and the place, with what each call gives for them. */
function parametersOf(
  rw: Rewriter,
  { body }: Func,
  calls: readonly Node[],
  given: () => readonly [seed: Value, place: Value],
): { readonly seed: Value; readonly place: Value } {
  const at = body.inputs.length;
  const [seed, place] = [rw.value(body.loc, trainInputs.dropoutSeed), rw.value(body.loc, "dropout_place")];
  for (const value of [seed, place]) rw.addInput(body, value);
  for (const call of calls) {
    given().forEach((value, i) => {
      rw.setInput(call, at + i, value);
    });
  }
  return { seed, place };
}

/** Calls of LoRA that read numbers. */
function adaptersIn(graph: Graph): readonly Node[] {
  return [...graph.nodes].filter((node) => {
    const dtype = elementTypeOf(node.input(0));
    return node.meta.get(ADAPTER_KEY) === "lora" && (dtype === null || isFloat(dtype));
  });
}

/** @param within which adapter of the place it is */
function dropAt(rw: Rewriter, node: Node, { name }: Func, seed: Value, place: Value, within = 0): void {
  const x = node.input(0);
  if (x === null) return;
  const b = new Builder(rw, before(node), { namesNodes: false });
  const own = within === 0 ? place : b.op("Add", [place, b.int(within)], "adapter_place");
  rw.setInput(node, 0, b.op(`${TFC_DOMAIN}::${name}`, [x, seed, own], `${x.name ?? "x"}_kept`));
}
