import type { Model } from "../ir/model.ts";
import { enter, exit, strangeKeys, type Events, type Handler, type Step, type Visitor } from "./visitor.ts";
import type { Walker, WalkTools } from "./walker.ts";

/** A place that was found, with those inside it. */
export type Found<E extends Events<E>> = {
  readonly [K in keyof E]: {
    readonly event: K;
    /** What handlers are given. */
    readonly at: E[K];
    readonly inside?: readonly Found<E>[];
  };
}[keyof E];

/**
 * A walk of places that are found in the model before it begins, such as blocks that were recognized.
 *
 * All are entered first, then all are left, those inside a place before it, and the model last. An edit would make
 * untrue what was found about the places behind it: so handlers collect on entering, where an edit is refused, and act
 * on leaving.
 *
 * @param spec.find the places, in order; those of events that are not `wanted` may be left out
 */
export function placesIn<E extends Events<E>>(spec: {
  readonly events: readonly (keyof E & string)[];
  readonly find: (
    model: Model,
    analysis: WalkTools["analysis"],
    wanted: ReadonlySet<keyof E>,
  ) => readonly Found<E>[];
}): Walker<Visitor<E>> {
  return {
    strangeKeys: (visitor) => strangeKeys(visitor, spec.events),
    walk: (model, visitor, tools) => {
      const wanted = new Set(spec.events.filter((event) => event in visitor));
      const walk = new PlaceWalk<E>(visitor, tools);
      walk.run(model, spec.find(model, tools.analysis, wanted));
    },
  };
}

class PlaceWalk<E extends Events<E>> {
  readonly #visitor: Visitor<E>;
  readonly #tools: WalkTools;
  readonly #left: (() => Step)[] = [];
  #isStopped = false;

  constructor(visitor: Visitor<E>, tools: WalkTools) {
    this.#visitor = visitor;
    this.#tools = tools;
  }

  run(model: Model, places: readonly Found<E>[]): void {
    if (this.#enter("model", this.#visitor.model, [model]) === "skip") return;
    this.#enterAll(places);
    if (this.#isStopped) return;
    for (const leave of this.#left) if (leave() === "stop") return;
    exit(this.#visitor.model, [model]);
  }

  #enterAll(places: readonly Found<E>[]): void {
    for (const { event, at, inside = [] } of places) {
      if (this.#isStopped) return;
      const handler = (this.#visitor as { readonly [K in keyof E]?: Handler<E[K]> })[event];
      if (this.#enter(String(event), handler, at) === "skip") continue;
      this.#enterAll(inside);
      this.#left.push(() => exit(handler, at));
    }
  }

  #enter<A extends readonly unknown[]>(event: string, handler: Handler<A> | undefined, at: A): Step {
    const before = this.#tools.changes();
    const step = enter(handler, at);
    if (this.#tools.changes() > before)
      throw new Error(`it edits on entering "${event}", where it may only collect`);
    if (step === "stop") this.#isStopped = true;
    return step;
  }
}
