import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import { FunctionBuilder } from "../../compiler/ir/function-builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { TFC_DOMAIN } from "../../compiler/sites/site.ts";
import { freePort } from "../_free-port.ts";

const NAME = "Seed";

/** A value whose gradient is known. */
export interface Seed {
  readonly call: Node;
  readonly value: Value;
  readonly gradient: Value;
}

/**
 * Notes the gradient of a value for the pass that goes on with it: `tfc.Seed (value, gradient)` gives the gradient, and
 * is an output of the graph until then.
 */
export function addSeed(b: Builder, model: Model, value: Value, gradient: Value): void {
  const { rewriter: rw } = b;
  if (!model.functions.has(`${TFC_DOMAIN}::${NAME}`)) rw.addFunction(model, seedFunction(model, rw));
  const name = freePort(model.graph, `d_${value.name ?? "value"}`);
  rw.setOutput(
    model.graph,
    model.graph.outputs.length,
    b.op(`${TFC_DOMAIN}::${NAME}`, [value, gradient], name),
  );
}

function seedFunction(model: Model, rw: Rewriter): ReturnType<FunctionBuilder["finish"]> {
  const { loc } = new Builder(rw, atEnd(model.graph));
  const b = new FunctionBuilder(rw, loc, NAME, model.opset);
  b.input("value");
  const gradient = b.input("gradient");
  return b.finish(TFC_DOMAIN, NAME, [b.op("Identity", [gradient], "seed")]);
}

/** The gradients that are noted. */
export function seedsIn({ graph }: Model): readonly Seed[] {
  return [...graph.nodes].flatMap((call) => {
    const [value, gradient] = [call.input(0), call.input(1)];
    if (call.op !== `${TFC_DOMAIN}::${NAME}` || value === null || gradient === null) return [];
    return { call, value, gradient };
  });
}

/** Removes the notes, and the outputs that they are. */
export function dropSeeds(model: Model, rw: Rewriter): void {
  const { graph } = model;
  for (const { call } of seedsIn(model)) {
    const index = graph.outputs.findIndex(({ producer }) => producer === call);
    if (index >= 0) rw.removeOutput(graph, index);
    rw.remove(call);
  }
  const func = model.functions.get(`${TFC_DOMAIN}::${NAME}`);
  if (func !== undefined) rw.removeFunction(model, func);
}
