import { adapterKinds } from "../../compiler/adapters/index.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { TrainParameter } from "../../compiler/ops/training.ts";
import { describedTraining, describeTraining } from "./_describe.ts";
import { parseParameter } from "../../compiler/weights/names/parameters.ts";

/** A graph input that is trained. */
export interface Trained extends TrainParameter {
  readonly value: Value;
}

/** Numbers that adapters are multiplied by: they say what an adapter is, and are not learned. */
const coefficients: ReadonlySet<string> = new Set(
  [...adapterKinds.values()].flatMap(({ neutral }) => Object.keys(neutral)),
);

/** What a graph trains, as its description says. */
export function trainedIn(model: Model): readonly Trained[] {
  const inputs = new Map(model.graph.inputs.map((value) => [value.name, value]));
  return describedTraining(model).parameters.map((parameter) => {
    const value = inputs.get(parameter.name);
    if (value === undefined) throw new Error(`no input ${parameter.name}`);
    return { ...parameter, value };
  });
}

/**
 * Describes what a graph trains: its inputs that begin with numbers of a file. Each gets its own size; the coefficients
 * of adapters become initializers.
 */
export function settleParameters(model: Model, rw: Rewriter): void {
  const { graph } = model;
  const parameters: TrainParameter[] = [];
  for (const value of [...graph.inputs]) {
    const { name = "", initial } = value;
    if (initial === undefined) continue;
    rw.setType(value, tensorType(initial.dtype, initial.shape));
    if (!coefficients.has(name.slice(name.lastIndexOf(".") + 1))) {
      parameters.push(described(name, initial.shape));
      continue;
    }
    rw.setConstant(value, initial);
    rw.addInitializer(graph, value);
    rw.removeInput(graph, value);
  }
  if (parameters.length > 0) describeTraining(model, rw, { parameters });
}

function described(name: string, shape: readonly number[]): TrainParameter {
  const parameter = parseParameter(name);
  const isLeaf = parameter.is === "leaf";
  return {
    ...{ name, shape, decay: isLeaf || shape.length > 1 },
    site: isLeaf ? name.slice(0, -parameter.leaf.length - 1) : null,
  };
}
