import { asTensor } from "../../ir/type.ts";
import type { Value } from "../../ir/value.ts";
import { Polynomial } from "./polynomial.ts";

type Sizes = readonly Polynomial[];

/** The declared shape of what callers give: a size with a name is that symbol, one without is a symbol of its own. */
export function declared(value: Value): Sizes | null {
  const shape = asTensor(value.type)?.shape;
  if (shape === undefined) return null;
  return shape.map((dim, axis) => {
    // Some exporters write a number as the name of a size.
    const size = typeof dim === "string" && /^\d+$/.test(dim) ? Number(dim) : dim;
    if (typeof size === "number") return Polynomial.of(size);
    return Polynomial.symbol(size === null || size === "" ? `${value.name ?? "?"}.${axis}` : size);
  });
}

/** The declared shape of a value that a node makes, where all its sizes are numbers: names there promise nothing. */
export function numbered(value: Value): Sizes | null {
  const shape = asTensor(value.type)?.shape;
  if (!shape?.every((dim) => typeof dim === "number")) return null;
  return shape.map((dim) => Polynomial.of(dim));
}
