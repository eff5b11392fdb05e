import { isFloat, type DType } from "../../../compiler/ir/dtype.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import { asTensor } from "../../../compiler/ir/type.ts";

/** The float type that most numbers of a model's weights have, or its ports where it has none; null for no float type. */
export function floatTypeOf({ graph }: Model): DType | null {
  const counts = new Map<DType, number>();
  const add = (dtype: DType | undefined, by: number): void => {
    if (dtype !== undefined && isFloat(dtype)) counts.set(dtype, (counts.get(dtype) ?? 0) + by);
  };
  for (const { constant } of graph.initializers) add(constant?.dtype, constant?.size ?? 0);
  if (counts.size === 0)
    for (const { type } of [...graph.inputs, ...graph.outputs]) add(asTensor(type)?.dtype, 1);
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return most?.[0] ?? null;
}
