import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Builder } from "../../compiler/ir/builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { typeText } from "../../compiler/ir/type.ts";
import { axisOfRole, axisOfSymbol } from "../../compiler/ops/ports/axes.ts";
import { roleOf } from "../../compiler/ops/ports/roles.ts";
import { opOf } from "../../compiler/ops/table.ts";
import { isState, type Typed } from "../_ports.ts";

/** The numbers of the places that new tokens of a row without padding have, counted from the shapes of inputs. */
export class PastCount {
  readonly builder: Builder;
  readonly #model: Model;
  readonly #inputs: readonly Typed[];
  #places: Value | null = null;

  constructor(builder: Builder, model: Model, inputs: readonly Typed[]) {
    this.builder = builder;
    this.#model = model;
    this.#inputs = inputs;
  }

  /** past, past + 1, …: int64 `[new tokens]`. @throws TfcError UNPADDED_REFUSED where no shape tells the past */
  places(): Value {
    return (this.#places ??= this.#made());
  }

  #made(): Value {
    const b = this.builder;
    const tokens = this.#inputs.find((port) => roleOf(port) === "tokens");
    if (tokens === undefined) throw this.#refused("token ids, which say how many tokens are new", "none");
    const steps = b.dim(tokens.value, 1, "new_tokens"); // [1]
    const caches = this.#inputs.filter((port) => ["past", "pages"].includes(roleOf(port)));
    const grown = caches.flatMap((port) => grownAlong(port) ?? []);
    const scalar = (x: Value, name: string): Value => b.op("Squeeze", [x], name);
    const range = (start: Value, limit: Value): Value =>
      b.op("Range", [start, limit, b.int(1)], "token_places");
    if (caches.length === 0) return range(b.int(0), scalar(steps, "token_count"));
    const [first] = grown;
    if (first !== undefined) {
      const past = b.dim(first.value, first.axis, "past_tokens");
      return range(
        scalar(past, "past_count"),
        scalar(b.op("Add", [past, steps], "all_tokens"), "token_count"),
      );
    }
    const mask = this.#inputs.find((port) => roleOf(port) === "mask");
    // Of a mask that is as wide as what is new the width tells nothing.
    if (mask === undefined || mask.dims[1] === tokens.dims[1])
      throw this.#refused(
        "a cache that grows, or a mask of past and new tokens, which tell the past",
        caches.map(({ name, value }) => `"${name}" ${typeText(value.type)}`)[0] ?? "neither",
      );
    const total = b.dim(mask.value, 1, "all_tokens");
    return range(
      scalar(b.op("Sub", [total, steps], "past_tokens"), "past_count"),
      scalar(total, "token_count"),
    );
  }

  #refused(wanted: string, found: string): Error {
    return inputError(
      "UNPADDED_REFUSED",
      { ...placeOf(this.#model), pass: "drop-padding" },
      { wanted, found },
    );
  }
}

/**
 * Where a cache says how many tokens came before. Null of one of a fixed length, of what a convolution carries on, and of
 * one that an attention op writes: callers may give that a longer buffer.
 */
function grownAlong({ value, name, dims }: Typed): { readonly value: Value; readonly axis: number } | null {
  if (isState(name)) return null;
  if ([...value.users].some((node) => opOf(node).attention !== null)) return null;
  const named = dims.findIndex((dim) => typeof dim === "string" && axisOfSymbol(dim) === "past");
  const axis = named >= 0 ? named : dims.findIndex((_, at) => axisOfRole("past", at, dims.length) === "past");
  return axis < 0 || typeof dims[axis] === "number" ? null : { value, axis };
}
