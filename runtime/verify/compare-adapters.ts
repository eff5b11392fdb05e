import type { AdapterFile } from "../../compiler/weights/adapter-file.ts";
import { feedsOf } from "../adapters/feeds.ts";
import { adapterInterface } from "../adapters/ports.ts";
import { defaultCases, fitCases } from "./cases.ts";
import { runGrowing } from "./growing.ts";
import { withSizes } from "../session/dims.ts";
import { makeFeeds, type FeedOptions } from "../session/feeds.ts";
import { sharedLength } from "../session/file-facts.ts";
import { openSession, type SessionOptions } from "../session/session.ts";
import { asGrowing } from "../session/shared-caches.ts";
import type { Tensors } from "../session/tensor.ts";
import { Tally, type Level, type LevelReport } from "./tally.ts";

/**
 * Runs one graph that takes adapters as inputs with two adapters, on the same made-up inputs, and compares every output.
 *
 * @throws TfcError as {@link feedsOf} and running
 */
export async function compareAdapters(
  graph: string,
  [before, after]: readonly [AdapterFile, AdapterFile],
  tolerance: number,
  options: FeedOptions & Pick<SessionOptions, "provider"> & { readonly force?: boolean } = {},
): Promise<readonly LevelReport[]> {
  const reports: LevelReport[] = [];
  for (const level of ["off", "all"] satisfies Level[]) {
    const provider = options.provider ?? "cpu";
    const session = await openSession(graph, { optimizations: level, provider });
    try {
      const names = new Set(adapterInterface(graph, session.inputs).ports.map(({ port }) => port.name));
      const room = sharedLength(graph);
      const inputs = asGrowing(session.inputs, room).filter(({ name }) => !names.has(name));
      const [a, b] = [feedsOf(session, before, options.force), feedsOf(session, after, options.force)];
      const tally = new Tally({ tolerance, halfUlps: 0 });
      const { cases } = fitCases(withSizes(inputs, options.symbols), defaultCases);
      for (const sizes of cases) {
        if (room !== null && sizes.past + sizes.sequence > room) continue;
        const feeds = makeFeeds({ inputs, outputs: session.outputs }, sizes, options);
        const run = (adapter: Tensors): Promise<Tensors> =>
          runGrowing(session, new Map([...feeds, ...adapter]), sizes, room);
        const want = await run(a);
        tally.add(sizes, want, await run(b));
      }
      reports.push(tally.report(level));
    } finally {
      await session.close();
    }
  }
  return reports;
}
