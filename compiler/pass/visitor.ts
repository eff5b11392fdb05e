import type { Model } from "../ir/model.ts";

/** What a visit asks of the walk: go on, leave out what is inside, or end the walk. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a visitor that returns nothing goes on
export type Step = void | "skip" | "stop";

/** What is done at a place: on entering it; or on entering and on leaving. */
export type Handler<A extends readonly unknown[]> =
  ((...at: A) => Step) | { readonly enter?: (...at: A) => Step; readonly exit?: (...at: A) => Step };

/** Events by name, with what a handler is given. */
export type Events<E> = { readonly [K in keyof E]: readonly unknown[] };

/** What a pass does at each kind of place; of those it does not name, nothing. */
export type Visitor<E extends Events<E>> = ModelVisitor & { readonly [K in keyof E]?: Handler<E[K]> };

/** Every walk enters the model before, and leaves it after, all that is in it. */
export interface ModelVisitor {
  readonly model?: Handler<readonly [model: Model]>;
}

/** Calls a handler on entering. */
export function enter<A extends readonly unknown[]>(handler: Handler<A> | undefined, at: A): Step {
  if (handler === undefined) return;
  return typeof handler === "function" ? handler(...at) : handler.enter?.(...at);
}

/** Calls a handler on leaving. */
export function exit<A extends readonly unknown[]>(handler: Handler<A> | undefined, at: A): Step {
  if (handler === undefined || typeof handler === "function") return;
  return handler.exit?.(...at);
}

/**
 * The keys of a visitor that no walk ever meets: a misspelt key is a bug that otherwise passes silently.
 *
 * @param events the names of the events there are
 */
export function strangeKeys(visitor: object, events: readonly string[]): readonly string[] {
  const known = ["model", ...events];
  return Object.entries(visitor).flatMap(([key, handler]: [string, unknown]) => {
    if (!known.includes(key)) return [key];
    if (typeof handler !== "object" || handler === null) return [];
    const phases = Object.keys(handler).filter((phase) => phase !== "enter" && phase !== "exit");
    return phases.map((phase) => `${key}.${phase}`);
  });
}
