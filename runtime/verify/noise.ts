import { TfcError } from "../../compiler/diagnostics/error.ts";
import { AdapterFeeder } from "../adapters/feeder.ts";
import { makeFeeds } from "../session/feeds.ts";
import { tensorFrom, type Tensors } from "../session/tensor.ts";
import { sharedLength } from "../session/file-facts.ts";
import type { Session } from "../session/session.ts";
import { asGrowing } from "../session/shared-caches.ts";
import { runGrowing } from "./growing.ts";
import { withSessions } from "./sessions.ts";
import type { Level, Tally } from "./tally.ts";
import type { VerifyOptions } from "./verify.ts";

/**
 * Measures how far onnxruntime itself is from one answer, in the cases where the compiled graph is beyond the
 * tolerance: the base is run twice, and beside a control, such as a graph of the same nodes with nothing added. What they
 * differ by is none of the compiled graph's doing.
 *
 * @param control the control's file; null where there is none
 */
export async function measureNoise(
  tally: Tally,
  level: Level,
  files: { readonly base: string; readonly control: string | null },
  options: VerifyOptions,
): Promise<void> {
  const { base, control } = files;
  await withSessions(control === null ? [base] : [base, control], level, options, async (sessions) => {
    const [first, other] = sessions;
    if (first === undefined) return;
    const feeder = new AdapterFeeder(first, options);
    // The control is made of the same nodes.
    const room = sharedLength(base);
    const ownInputs = asGrowing(feeder.ownInputs, room);
    for (const sizes of tally.failing) {
      options.progress?.(`optimizations ${level}: the base beside itself`);
      const own = makeFeeds({ inputs: ownInputs, outputs: first.outputs }, sizes, options);
      const feeds = feeder.complete(own, sizes);
      const run = (session: Session, feeds: Tensors): Promise<Tensors> =>
        runGrowing(session, feeds, sizes, room);
      const want = await orNothing(run(first, feeds));
      if (want === null) continue;
      tally.addNoise(sizes, "runs", want, await run(first, feeds));
      if (other === undefined) continue;
      for (const feed of controlFeeds(own, options)) {
        options.signal?.throwIfAborted();
        const beside = await orNothing(run(other, feed));
        if (beside !== null) tally.addNoise(sizes, options.controlFor ?? "graphs", want, beside);
      }
    }
  });
}

/** What a control is fed with: once, or once for each draw. */
function controlFeeds(own: Tensors, { draws }: VerifyOptions): readonly Tensors[] {
  if (draws === undefined) return [own];
  return draws.values.map((value) => new Map([...own, [draws.input, tensorFrom("float", [], () => value)]]));
}

/** A control that does not run says nothing. */
async function orNothing(running: Promise<Tensors>): Promise<Tensors | null> {
  try {
    return await running;
  } catch (error) {
    if (error instanceof TfcError) return null;
    throw error;
  }
}
