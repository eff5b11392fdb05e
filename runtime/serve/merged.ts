/**
 * What several sources give, in the order in which it comes, each with the number of its source. Of each source one
 * item is asked for ahead and no more, so that a slow reader slows all; a source that throws ends the others.
 */
export async function* merged<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<readonly [number, T]> {
  const iterators = sources.map((source): AsyncIterator<T, unknown> => source[Symbol.asyncIterator]());
  const arrived: { readonly source: number; readonly result: Promise<IteratorResult<T, unknown>> }[] = [];
  let wake = (): void => undefined;
  const ask = (source: number): void => {
    const result = iterators[source]?.next() ?? Promise.resolve({ done: true, value: undefined });
    const arrive = (): void => {
      arrived.push({ source, result });
      wake();
    };
    result.then(arrive, arrive);
  };
  let open = iterators.length;
  iterators.forEach((_, source) => {
    ask(source);
  });
  try {
    while (open > 0) {
      const next = arrived.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      const result = await next.result;
      if (result.done === true) {
        open--;
        continue;
      }
      yield [next.source, result.value];
      ask(next.source);
    }
  } finally {
    // Of one that waits for its own next item, `return` waits too: the request's signal ends that.
    for (const iterator of iterators) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
