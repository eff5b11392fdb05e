import { parametersIn } from "../compile/count-parameters.ts";
import { byteSize } from "../ir/dtype.ts";
import type { Model } from "../ir/model.ts";
import type { Node } from "../ir/node.ts";
import type { Tensor } from "../ir/tensor.ts";
import type { Value } from "../ir/value.ts";
import { readsOf } from "../ir/walk.ts";

/** How much weights are: parameters, and bytes as they are stored, those of other constants included. */
export interface Amount {
  readonly parameters: number;
  readonly bytes: number;
}

export const NOTHING: Amount = { parameters: 0, bytes: 0 };

export function added(a: Amount, b: Amount): Amount {
  return { parameters: a.parameters + b.parameters, bytes: a.bytes + b.bytes };
}

/** Bytes of a tensor as they are stored, of strings their characters. */
export function bytesOf({ dtype, size, storage }: Tensor): number {
  const bytes = byteSize(dtype, size);
  if (bytes !== null) return bytes;
  return storage.kind === "strings" ? storage.strings.reduce((sum, { length }) => sum + length, 0) : 0;
}

function amountOf(value: Value): Amount {
  const { constant } = value;
  return constant === undefined ? NOTHING : { parameters: parametersIn(constant), bytes: bytesOf(constant) };
}

/** All initializers of the main graph, as `tfc inspect` counts them. */
export function totalOf({ graph }: Model): Amount {
  return [...graph.initializers].map(amountOf).reduce(added, NOTHING);
}

/** Gives each weight to the first that asks for it, so that the sum of all is that of the model. */
export class Weights {
  readonly #initializers: ReadonlySet<Value>;
  readonly #owned = new Set<Value>();

  constructor({ graph }: Model) {
    this.#initializers = graph.initializers;
  }

  /** What nodes read: of weights that nobody had, and the parameters of those that somebody has. */
  take(nodes: Iterable<Node>): Amount & { readonly shared: number } {
    let [own, shared] = [NOTHING, 0];
    const met = new Set<Value>();
    for (const node of nodes) {
      for (const value of readsOf(node)) {
        if (!this.#initializers.has(value) || met.has(value)) continue;
        met.add(value);
        const amount = amountOf(value);
        if (!this.#owned.has(value)) own = added(own, amount);
        else shared += amount.parameters;
        this.#owned.add(value);
      }
    }
    return { ...own, shared };
  }

  /** What nobody reads. */
  rest(): Amount {
    const left = [...this.#initializers].filter((value) => !this.#owned.has(value));
    return left.map(amountOf).reduce(added, NOTHING);
  }
}
