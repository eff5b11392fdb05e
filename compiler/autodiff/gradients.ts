import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import { assembled, type Place, type Placed } from "./placed.ts";
import type { ShapeLike } from "../recognize/symbolic/shapes.ts";

/** Gradients of values, each the sum of what its readers give it. */
export class Gradients {
  readonly #b: Builder;
  readonly #like: Map<Value, ShapeLike>;
  readonly #parts = new Map<Value, Value[]>();
  readonly #placed = new Map<Value, Placed[]>();

  constructor(b: Builder, like: Map<Value, ShapeLike>) {
    this.#b = b;
    this.#like = like;
  }

  has(value: Value): boolean {
    return this.#parts.has(value) || this.#placed.has(value);
  }

  /** Adds to a value's gradient. */
  give(value: Value, part: Value): void {
    const parts = this.#parts.get(value) ?? [];
    this.#parts.set(value, parts);
    parts.push(part);
  }

  /** Adds to a part of a value's gradient. */
  giveAt(value: Value, place: Place, part: Value): void {
    const placed = this.#placed.get(value) ?? [];
    this.#placed.set(value, placed);
    placed.push({ part, place });
  }

  /** The sum of what was given so far; null where nothing was. */
  of(value: Value): Value | null {
    const placed = this.#placed.get(value);
    this.#placed.delete(value);
    if (placed !== undefined) for (const part of assembled(this.#b, placed)) this.give(value, part);
    const parts = this.#parts.get(value);
    const [first, ...more] = parts ?? [];
    if (parts === undefined || first === undefined) return null;
    const sum = more.reduce(
      (all, part) => this.#b.op("Add", [all, part], `d_${value.name ?? "value"}`),
      first,
    );
    this.#parts.set(value, [sum]);
    if (sum !== value) this.#like.set(sum, { of: value });
    return sum;
  }
}
