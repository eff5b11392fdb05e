import { existsSync } from "node:fs";
import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { TrainParameter } from "../../compiler/ops/training.ts";
import { checkFinite } from "../../compiler/weights/finite.ts";
import { convert } from "../../compiler/weights/convert.ts";
import { openSafetensors } from "../../compiler/weights/safetensors/weights.ts";
import { elementsFrom, type HostTensor } from "../session/tensor.ts";

/** Files beside a graph that hold what its parameters begin with. */
export function valueFiles(graph: string): readonly string[] {
  const beside = (what: string): string =>
    path.join(path.dirname(graph), `${path.basename(graph, ".onnx")}.${what}.safetensors`);
  return ["adapters", "overrides", "parameters"].map(beside).filter((file) => existsSync(file));
}

/**
 * What the parameters of a graph begin with, by their names.
 *
 * @throws TfcError TRAIN_VALUE_MISSING, TRAIN_VALUE_SHAPE; ADAPTER_NOT_FINITE; SAFETENSORS_INVALID
 */
export function firstValues(
  graph: string,
  parameters: readonly TrainParameter[],
): ReadonlyMap<string, HostTensor> {
  const files = valueFiles(graph).map((file) => ({ file, ...openSafetensors(file) }));
  return new Map(
    parameters.map(({ name, shape }) => {
      const holder = files.find(({ tensors }) => tensors.has(name));
      const tensor = holder?.tensors.get(name);
      if (holder === undefined || tensor === undefined)
        throw inputError("TRAIN_VALUE_MISSING", { file: graph, name }, {});
      const place = { file: holder.file, name };
      if (tensor.shape.join() !== shape.join())
        throw inputError("TRAIN_VALUE_SHAPE", place, { wanted: shape.join(), found: tensor.shape.join() });
      const bytes = tensor.bytes();
      checkFinite(place, tensor.dtype, bytes);
      const data = elementsFrom("float", convert(bytes, tensor.dtype, "float"));
      return [name, { dtype: "float", dims: shape, data }];
    }),
  );
}
