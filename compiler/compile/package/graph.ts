import { dirname, relative, resolve, sep } from "node:path";
import { locateModel } from "../../../runtime/model/locate.ts";
import { roleOf, type Role } from "../../ops/ports/roles.ts";
import { isElementType, type ElementType, type Port } from "../../../runtime/session/tensor.ts";
import type { Sink } from "../../diagnostics/sink.ts";
import type { DType } from "../../ir/dtype.ts";
import type { Model } from "../../ir/model.ts";
import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { openModel } from "../../onnx/open.ts";
import type { Stamp } from "../../onnx/stamp.ts";
import { requireWeights } from "../checks.ts";

/** An input or output of a graph as an engine is told of it. */
export interface GraphPort extends Port {
  readonly value: Value;
  /** Element type by ONNX's name, also one that JavaScript has not; null for what is no tensor. */
  readonly type: DType | null;
  /** False where the graph does not say how many dimensions it has; `dims` is empty then. */
  readonly isRanked: boolean;
  readonly role: Role;
}

/** A model that is to be handed to an engine: its graph, and the files it consists of. */
export interface PackagedModel {
  /** The graph's file, absolute. */
  readonly file: string;
  readonly model: Model;
  /** What has to be fed. */
  readonly inputs: readonly GraphPort[];
  /** Inputs with a value of their own, which is used where they are not fed. */
  readonly defaults: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
  /** Files with external data, absolute, by location relative to the graph's folder. */
  readonly weights: ReadonlyMap<string, string>;
  /** The files that were read, as they were. */
  readonly stamps: ReadonlyMap<string, Stamp>;
}

/**
 * Opens what is to be packaged: an .onnx file, or a folder that says which of its files is the model.
 *
 * @throws TfcError what {@link openModel} throws; EXTERNAL_DATA_MISSING
 */
export function openPackaged(input: string, sink: Sink): PackagedModel {
  const { file } = locateModel(input);
  const imported = openModel(file, sink);
  requireWeights(file, imported);
  const { model, stamps } = imported;
  const inputs = model.graph.inputs.map(portOf);
  const folder = dirname(resolve(file));
  const external = [...stamps.keys()].filter((path) => resolve(path) !== resolve(file));
  return {
    file: resolve(file),
    model,
    inputs: inputs.filter(({ value }) => value.constant === undefined),
    // Up to IR version 3 initializers are listed among the inputs, and nothing of it is a choice.
    defaults: model.irVersion < 4 ? [] : inputs.filter(({ value }) => value.constant !== undefined),
    outputs: model.graph.outputs.map(portOf),
    weights: new Map(external.map((path) => [relative(folder, resolve(path)).split(sep).join("/"), path])),
    stamps,
  };
}

function portOf(value: Value): GraphPort {
  const type = asTensor(value.type);
  const port = {
    name: value.name ?? "",
    dtype: elementType(type?.dtype),
    dims: (type?.shape ?? []).map((dim) => dim ?? ""),
  };
  return {
    ...port,
    value,
    type: type?.dtype ?? null,
    isRanked: type?.shape !== undefined,
    role: roleOf({ ...port, dtype: type?.dtype ?? null }),
  };
}

/** bfloat16 counts as the half that JavaScript has: the same tensors are caches and logits in both. */
function elementType(dtype: DType | undefined): ElementType | null {
  if (dtype === "bfloat16") return "float16";
  return dtype !== undefined && isElementType(dtype) ? dtype : null;
}
