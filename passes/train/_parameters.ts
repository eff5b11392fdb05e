import type { Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { TrainParameter } from "../../compiler/ops/training.ts";
import { describedTraining, describeTraining } from "./_describe.ts";
import { parseParameter } from "../../compiler/weights/names/parameters.ts";

/** A graph input that is trained. */
export interface Trained extends TrainParameter {
  readonly value: Value;
}

/** What a graph trains, as its description says. */
export function trainedIn(model: Model): readonly Trained[] {
  const inputs = new Map(model.graph.inputs.map((value) => [value.name, value]));
  return describedTraining(model).parameters.map((parameter) => {
    const value = inputs.get(parameter.name);
    if (value === undefined) throw new Error(`no input ${parameter.name}`);
    return { ...parameter, value };
  });
}

/** Describes what a graph trains: its inputs that begin with numbers of a file. */
export function describeParameters(model: Model, rw: Rewriter): void {
  const parameters = model.graph.inputs.flatMap(({ name, initial }) =>
    name === undefined || initial === undefined ? [] : described(name, initial.shape),
  );
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
