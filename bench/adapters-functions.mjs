import { statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { adapterKinds } from "../dist/compiler/adapters/index.js";
import { Rewriter } from "../dist/compiler/ir/rewriter.js";
import { emitModel } from "../dist/compiler/onnx/emit.js";
import { writePieces } from "../dist/compiler/onnx/output.js";
import { parseModel } from "../dist/compiler/text/parse.js";
import { openSession } from "../dist/runtime/session.js";
import { chain, FUNCTION, OPSET, transcription } from "./adapters-graphs.mjs";
import { compared, numbersPerToken, race } from "./adapters-measure.mjs";
import { normalTensor, writeNormal } from "./adapters-weights.mjs";
import { HEADS, RANK, sameParameters } from "./adapters-variants.mjs";
import { withFolder } from "./workplace.mjs";

/** How many adapters stand one behind the other, so that calling the session counts little. */
const LENGTH = 8;

/** Small enough that what is added to each other stays small. */
const DEVIATION = 0.02;

/**
 * The functions alone, all with as many parameters: what tfc writes for each kind, and ScalarLM's formula.
 *
 * @returns of each number of tokens the microseconds of one adapter and the sum behind it, and what they are beside
 *   those of tfc's scalarlm; of each function how many numbers a token has in the values that it computes
 */
export function measureFunctions(hidden, { tokens, runs, threads }) {
  return withFolder(async (folder) => {
    const files = writeFunctions(folder, hidden);
    const numbers = {};
    for (const [name, file] of Object.entries(files).filter(([name]) => name !== "nothing")) {
      const x = (steps) => ({ x_0: ortTensor(normalTensor([1, steps, hidden])) });
      numbers[name] = await numbersPerToken(file, x, folder);
    }
    const sessions = {};
    for (const [name, file] of Object.entries(files)) sessions[name] = await openSession(file, { threads });
    const measured = [];
    for (const steps of tokens) {
      const feeds = new Map([["x_0", normalTensor([1, steps, hidden])]]);
      const acts = Object.entries(sessions).map(([name, session]) => [name, () => session.run(feeds)]);
      const times = await race(Object.fromEntries(acts), runs);
      const own = Object.fromEntries(
        Object.entries(times).map(([name, all]) => [
          name,
          all.map((time, round) => ((time - times.nothing[round]) * 1000) / LENGTH),
        ]),
      );
      measured.push({ tokens: steps, own });
    }
    for (const session of Object.values(sessions)) await session.close();
    return { hidden, numbers, measured };
  });
}
