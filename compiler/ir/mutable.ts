/** The writable face of an IR object. Lint keeps this file out of every file but the rewriter's. */
export type Mutable<T> = {
  -readonly [K in keyof T]: T[K] extends ReadonlyMap<infer Key, infer V>
    ? Map<Key, V>
    : T[K] extends ReadonlySet<infer E>
      ? Set<E>
      : T[K] extends readonly (infer E)[]
        ? E[]
        : T[K];
};

/** Opens an IR object for writing. */
export function open<T extends object>(entity: T): Mutable<T> {
  return entity as unknown as Mutable<T>;
}
