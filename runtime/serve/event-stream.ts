/** How a stream of events is read. */
export interface Reading {
  /** Milliseconds within which the connection has to take an event. */
  readonly stallTimeout: number;
  /** Called when it did not. */
  readonly stalled: () => void;
}

/**
 * Events as server-sent events, each asked for when the connection has taken the one before: what a client does not
 * read is not made into text. The stream never fails: what `events` throws ends it, so `events` has to say it itself.
 */
export function eventStream(
  events: AsyncIterator<string, undefined>,
  { stallTimeout, stalled }: Reading,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: NodeJS.Timeout | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(timer);
        const next = await events.next().catch((): null => null);
        if (next === null || next.done === true) {
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(`data: ${next.value}\n\n`));
        timer = setTimeout(stalled, stallTimeout);
      },
      cancel() {
        clearTimeout(timer);
        // Not awaited: it may wait for an event that no longer comes.
        void events.return?.().catch(() => undefined);
      },
    },
    // Nothing ahead of what is asked for.
    { highWaterMark: 0 },
  );
}
