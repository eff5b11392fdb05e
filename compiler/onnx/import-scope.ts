import { inputError } from "../diagnostics/error.ts";
import type { Value } from "../ir/value.ts";

/** Names of one graph; a name that is not found is looked up in the graph around. */
export class Scope {
  readonly #values = new Map<string, Value>();
  readonly #outer: Scope | null;
  /** How many graphs are around. */
  readonly depth: number;

  constructor(outer: Scope | null) {
    this.#outer = outer;
    this.depth = outer === null ? 0 : outer.depth + 1;
  }

  get(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#outer?.get(name);
  }

  local(name: string): Value | undefined {
    return this.#values.get(name);
  }

  define(name: string, value: Value, file: string): void {
    const first = this.#values.get(name);
    if (first !== undefined) {
      throw inputError(
        "NAME_DUPLICATE",
        { file, path: value.loc.path, name },
        { name, first: first.loc.path },
      );
    }
    this.#values.set(name, value);
  }
}
