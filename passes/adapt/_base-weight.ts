import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { isFloat } from "../../compiler/ir/dtype.ts";
import { has } from "../../compiler/ops/table.ts";
import { weightOf, type Weight } from "../../compiler/recognize/linear/weight.ts";
import type { StoredMatrix } from "./_overridden.ts";
import type { NormSpec } from "../../compiler/adapters/dora.ts";
import type { Place } from "../../compiler/sites/places.ts";
import { parameterOf, productOf } from "../../compiler/recognize/linear/product.ts";

/** The weight of the base that an adapter reads. */
export interface BaseWeight {
  /** Where the base's numbers are. */
  readonly place: StoredMatrix;
  /** The features of a packed weight that are the projection's; null for all. */
  readonly part: NormSpec["part"];
}

/**
 * The weight of the projection at a place.
 *
 * @throws TfcError DORA_REFUSED where there is no such matrix of floats
 */
export function baseWeightAt({ name, site, inner, step }: Place, pass: string): BaseWeight {
  const refuse = (why: string): never => {
    throw inputError("DORA_REFUSED", { ...placeOf(site.node), pass }, { site: name, why });
  };
  if (step?.width !== undefined)
    return refuse("it is outside the layers, where only LoRA without magnitudes is put");
  if (inner === null) return refuse("a block has no weight of its own");
  const { func, linear } = inner;
  const product = productOf(linear);
  if (typeof product === "string") return refuse(product);
  const source = parameterOf(product.matrix);
  if (typeof source === "string") return refuse(source);
  const given =
    source.parameter.constant === undefined ? outside(func.body.inputs.indexOf(source.parameter)) : null;
  const weight = given ?? weightOf(source.parameter);
  if (weight === null) return refuse("its weight is not found");
  const obstacle = obstacleIn(weight);
  if (obstacle !== null) return refuse(obstacle);
  const start = linear.parts.slice(0, inner.part).reduce((sum, { width }) => sum + width, 0);
  const width = linear.parts[inner.part]?.width ?? 0;
  const of = linear.parts.reduce((sum, part) => sum + part.width, 0);
  const { isInFirst } = product;
  const isTurned = weight.transposed !== source.isTurned;
  return {
    place: {
      shape: [width, linear.inFeatures],
      dtype: weight.dtype,
      weight: { ...weight, transposed: isTurned },
      isInFirst,
      packed: linear.parts.length === 1 ? null : { start, width, of },
    },
    part: linear.parts.length === 1 ? null : { start, width },
  };

  /** What the call passes for a parameter. */
  function outside(index: number): Weight | null {
    return weightOf(index < 0 ? null : site.node.input(index));
  }
}

function obstacleIn({ dtype, path, root }: Weight): string | null {
  const between = path.find((node) => !has(node, "same-numbers"));
  if (between?.op === "DequantizeLinear" || !isFloat(dtype)) return "its weight is quantized";
  if (between !== undefined) return `the graph computes on its weight (${between.op})`;
  return root.constant === undefined ? "its weight is an input of the graph" : null;
}
