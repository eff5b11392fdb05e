import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { isFloat } from "../../compiler/ir/dtype.ts";
import { has } from "../../compiler/ops/table.ts";
import { weightOf, type Weight } from "../../compiler/recognize/linear/weight.ts";
import type { StoredMatrix } from "./_overridden.ts";
import type { NormSpec } from "../../compiler/adapters/dora.ts";
import type { Func } from "../../compiler/ir/model.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { Place } from "../../compiler/sites/places.ts";
import {
  parameterOf,
  productOf,
  QUANTIZED_PRODUCT,
  type Product,
} from "../../compiler/recognize/linear/product.ts";
import { quantizedWeightOf } from "./_quantized-weight.ts";
import { baseRows } from "./_row-norms.ts";

/** The weight of the base that an adapter reads. */
export interface BaseWeight {
  /** `[out, in]` of the projection */
  readonly shape: readonly [out: number, inner: number];
  /** Whether the graph reads it as `[in, out]`. */
  readonly isInFirst: boolean;
  /** The features of a packed weight that are the projection's; null for all. */
  readonly part: NormSpec["part"];
  /** Its numbers, or those that integers stand for, `[out, in]`: the whole tensor is in memory, and no other. */
  readonly rows: () => Float64Array | Float32Array;
}

/** Who asks for a weight. */
export interface Asking {
  readonly pass: string;
  /** Whether the adapter is an input of the graph, which then reads the weight in each run. */
  readonly areFed: boolean;
}

/**
 * The weight of the projection at a place.
 *
 * @throws TfcError DORA_REFUSED where there is no such matrix, or the graph would have to read integers as one
 */
export function baseWeightAt(place: Place, { pass, areFed }: Asking): BaseWeight {
  const { name, site, inner, step } = place;
  const refuse = (why: string): never => {
    throw inputError("DORA_REFUSED", { ...placeOf(site.node), pass }, { site: name, why });
  };
  if (step?.width !== undefined)
    return refuse("it is outside the layers, where only LoRA without magnitudes is put");
  if (inner === null) return refuse("a block has no weight of its own");
  const product = productOf(inner.linear);
  if (typeof product === "string") return refuse(product);
  const isQuantized = product.node.op === QUANTIZED_PRODUCT;
  if (isQuantized && areFed)
    return refuse("its weight is quantized, and the graph would compute lengths of it in each run");
  const found = isQuantized ? integersAt(product, inner, site) : floatsAt(product, inner, site);
  return typeof found === "string" ? refuse(found) : found;
}

type Inner = NonNullable<Place["inner"]>;

/** The part of a packed linear that a projection is. */
function partOf({ linear: { parts }, part }: Inner): { readonly start: number; readonly width: number } {
  const start = parts.slice(0, part).reduce((sum, { width }) => sum + width, 0);
  return { start, width: parts[part]?.width ?? 0 };
}

function floatsAt({ matrix, isInFirst }: Product, inner: Inner, site: Place["site"]): BaseWeight | string {
  const { func, linear } = inner;
  const source = parameterOf(matrix);
  if (typeof source === "string") return source;
  const { parameter } = source;
  const weight = weightOf(parameter.constant === undefined ? passedFor(parameter, func, site) : parameter);
  if (weight === null) return "its weight is not found";
  const obstacle = obstacleIn(weight);
  if (obstacle !== null) return obstacle;
  const { start, width } = partOf(inner);
  const of = linear.parts.reduce((sum, part) => sum + part.width, 0);
  const isWhole = linear.parts.length === 1;
  const place: StoredMatrix = {
    shape: [width, linear.inFeatures],
    dtype: weight.dtype,
    weight: { ...weight, transposed: weight.transposed !== source.isTurned },
    isInFirst,
    packed: isWhole ? null : { start, width, of },
  };
  return {
    shape: [width, linear.inFeatures],
    isInFirst,
    part: isWhole ? null : { start, width },
    rows: () => baseRows(place),
  };
}

function integersAt({ node }: Product, inner: Inner, site: Place["site"]): BaseWeight | string {
  const { func, linear } = inner;
  const found = quantizedWeightOf(node, (operand) =>
    operand.constant === undefined && operand.producer === null ? passedFor(operand, func, site) : operand,
  );
  if (typeof found === "string") return found;
  const { start, width } = partOf(inner);
  const row = found.inFeatures;
  return {
    shape: [width, row],
    isInFirst: false,
    part: linear.parts.length === 1 ? null : { start, width },
    rows: () => found.rows().subarray(start * row, (start + width) * row),
  };
}

/** What the call passes for a parameter of its function. */
function passedFor(parameter: Value, func: Func, site: Place["site"]): Value | null {
  const index = func.body.inputs.indexOf(parameter);
  return index < 0 ? null : site.node.input(index);
}

function obstacleIn({ dtype, path, root }: Weight): string | null {
  const between = path.find((node) => !has(node, "same-numbers"));
  if (between?.op === "DequantizeLinear" || !isFloat(dtype)) return "its weight is quantized";
  if (between !== undefined) return `the graph computes on its weight (${between.op})`;
  return root.constant === undefined ? "its weight is an input of the graph" : null;
}
