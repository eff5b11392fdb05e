import { describedIn } from "../compiler/adapters/description.ts";
import { ADAPTER_KEY, REPLACED_KEY } from "../compiler/adapters/kind.ts";
import { before, Builder } from "../compiler/ir/builder.ts";
import type { DType } from "../compiler/ir/dtype.ts";
import type { Loc } from "../compiler/ir/entity.ts";
import type { Model } from "../compiler/ir/model.ts";
import type { Rewriter } from "../compiler/ir/rewriter.ts";
import type { Tensor } from "../compiler/ir/tensor.ts";
import { tensorType } from "../compiler/ir/type.ts";
import type { Value } from "../compiler/ir/value.ts";
import type { TrainParameter } from "../compiler/ops/training.ts";

/**
 * Makes a parameter that is trained: a float input with first numbers.
 *
 * @returns what the graph reads of it, which is of its own type
 */
export function addParameter(
  { graph }: Model,
  rw: Rewriter,
  spec: { readonly name: string; readonly loc: Loc; readonly initial: Tensor; readonly dtype: DType },
): Value {
  const { name, loc, initial, dtype } = spec;
  const value = rw.value(loc, name, tensorType("float", initial.shape));
  rw.setInitial(value, initial);
  rw.addInput(graph, value);
  const [first] = graph.nodes;
  if (dtype === "float") return value;
  if (first === undefined) throw new Error(`a graph without nodes reads ${name}`);
  return new Builder(rw, before(first), { loc }).cast(value, dtype, `${name}.${dtype}`);
}

/** A parameter of a graph that trains, and what is said of it. */
export interface Parameter extends TrainParameter {
  readonly value: Value;
}

/** The parameters of a graph, in the order of its inputs: adapters' leaves, and weights of the base. */
export function parametersOf({ graph, meta, loc }: Model): readonly Parameter[] {
  const sites = [ADAPTER_KEY, REPLACED_KEY].flatMap((key) =>
    (describedIn(meta, key, loc.file)?.parts ?? []).flatMap((part) => part.sites),
  );
  const known = new Set(sites);
  return graph.inputs.flatMap((value) => {
    const { name = "", initial } = value;
    if (initial === undefined) return [];
    const site = siteIn(name, known);
    // Norms and biases are vectors, which nothing should draw to zero.
    const decay = site !== null || initial.shape.length > 1;
    return [{ value, name, shape: initial.shape, decay, site }];
  });
}

/** The place that a leaf's name begins with: `model.layers.0.mlp` of `model.layers.0.mlp.tokenformer_k`. */
function siteIn(name: string, sites: ReadonlySet<string>): string | null {
  for (let end = name.lastIndexOf("."); end > 0; end = name.lastIndexOf(".", end - 1))
    if (sites.has(name.slice(0, end))) return name.slice(0, end);
  return null;
}
