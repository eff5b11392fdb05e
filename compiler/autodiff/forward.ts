import type { Builder } from "../ir/builder.ts";
import { cloneNode, type ValueMap } from "../ir/clone.ts";
import type { Value } from "../ir/value.ts";
import { readsOf } from "../ir/walk.ts";
import { isStoredFloats, lateFloats } from "./late.ts";
import type { ShapeLike } from "../recognize/symbolic/shapes.ts";

/** What stands for a value of the forward part in the backward part; null for one that is computed again. */
export type StandIn = (value: Value) => Value | null;

/** Values of the forward part as the backward part reads them: kept, or computed again where they are first asked for. */
export class Forward {
  readonly #b: Builder;
  readonly #standIn: StandIn;
  readonly #like: Map<Value, ShapeLike>;
  readonly #known: ValueMap = new Map();

  /** @param like is told whose shapes the stand-ins have */
  constructor(b: Builder, standIn: StandIn, like: Map<Value, ShapeLike>) {
    this.#b = b;
    this.#standIn = standIn;
    this.#like = like;
  }

  /** What stands for a value already, kept or computed again; null where nothing asked for it. */
  known(value: Value): Value | null {
    return this.#known.get(value) ?? null;
  }

  /** @param after where stored numbers become floats again, they do so when this is known */
  of(value: Value, after: Value | null = null): Value {
    // An explicit stack: what is computed again may be a longer chain than the call stack is.
    const stack = [value];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (this.#known.has(top)) {
        stack.pop();
        continue;
      }
      const missing = this.#missing(top, after);
      if (missing.length === 0) stack.pop();
      else stack.push(...missing);
    }
    return this.#known.get(value) ?? value;
  }

  /** Makes a value's stand-in. @returns what must be there before */
  #missing(value: Value, after: Value | null): readonly Value[] {
    const { producer } = value;
    // Floats of stored numbers take more room than what they are made of.
    const isLate = after !== null && producer !== null && isStoredFloats(producer);
    const standIn = isLate ? null : this.#standIn(value);
    if (standIn !== null) {
      this.#learn(value, standIn);
      return [];
    }
    if (producer === null) throw new Error(`nothing stands for "${value.name ?? ""}"`);
    const missing = readsOf(producer).filter((read) => !this.#known.has(read));
    if (missing.length > 0) return missing;
    const copy = isLate
      ? lateFloats(this.#b, producer, this.#known, after)
      : this.#b.place(cloneNode(this.#b.rewriter, producer, this.#known, this.#b.loc));
    producer.outputs.forEach((output, i) => {
      const twin = copy.outputs[i];
      if (twin === undefined) return;
      this.#b.rewriter.setName(twin, output.name);
      this.#learn(output, twin);
    });
    return [];
  }

  #learn(value: Value, twin: Value): void {
    this.#known.set(value, twin);
    if (twin !== value) this.#like.set(twin, { of: value });
  }
}
