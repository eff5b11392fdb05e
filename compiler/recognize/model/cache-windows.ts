import type { Graph } from "../../ir/graph.ts";
import type { Func, Model } from "../../ir/model.ts";
import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";
import { opOf } from "../../ops/table.ts";

/** Attribute of attention ops: whether a cache holds a window of what came before, and the op itself evicts from it. */
export const WINDOWED = "sliding_window_cache";

/** Whether attention keeps no more of what came before than its window. */
export function isWindowed(node: Node): boolean {
  return opOf(node).attention?.cache != null && node.int(WINDOWED) === 1;
}

/**
 * The caches of a graph that hold a window and no more, as onnxruntime-genai's builder writes layers with sliding windows:
 * their room is the caller's choice, the window at least, whatever the sequence's length.
 *
 * @returns the window, in positions, by the name of the graph's input
 */
export function cacheWindowsIn(model: Model): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [value, window] of new Windows(model).in(model.graph))
    if (value.isInput && value.name !== undefined) found.set(value.name, window);
  return found;
}

/** Windows by the value that a cache comes in as; also through calls. */
class Windows {
  readonly #model: Model;
  readonly #ofFunctions = new Map<Func, ReadonlyMap<number, number>>();

  constructor(model: Model) {
    this.#model = model;
  }

  in(graph: Graph): ReadonlyMap<Value, number> {
    const found = new Map<Value, number>();
    for (const node of graph.nodes) {
      for (const [index, window] of this.#readBy(node)) {
        const value = node.input(index);
        if (value !== null) found.set(value, window);
      }
    }
    return found;
  }

  /** By operand. */
  #readBy(node: Node): ReadonlyMap<number, number> {
    const { cache, mask } = opOf(node).attention ?? {};
    if (cache != null && isWindowed(node)) {
      const window = (mask?.window == null ? null : node.int(mask.window)) ?? 0;
      return new Map(window > 0 ? [cache.pastKey, cache.pastValue].map((index) => [index, window]) : []);
    }
    const func = this.#model.callee(node);
    return func === undefined ? new Map() : this.#of(func);
  }

  #of(func: Func): ReadonlyMap<number, number> {
    const known = this.#ofFunctions.get(func);
    if (known !== undefined) return known;
    const inside = this.in(func.body);
    const found = new Map(
      func.body.inputs.flatMap((parameter, index) => {
        const window = inside.get(parameter);
        return window === undefined ? [] : [[index, window] as const];
      }),
    );
    this.#ofFunctions.set(func, found);
    return found;
  }
}
