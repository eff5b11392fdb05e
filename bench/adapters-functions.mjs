import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { adapterKinds } from "../dist/compiler/adapters/index.js";
import { Rewriter } from "../dist/compiler/ir/rewriter.js";
import { emitModel } from "../dist/compiler/onnx/emit.js";
import { writePieces } from "../dist/compiler/onnx/output.js";
import { parseModel } from "../dist/compiler/text/parse.js";
import { openSession } from "../dist/runtime/session/session.js";
import { chain, FUNCTION, OPSET, transcription } from "./adapters-graphs.mjs";
import { numbersPerToken, race } from "./adapters-measure.mjs";
import { HEADS, RANK, sameParameters } from "./adapters-variants.mjs";
import { normalTensor, writeNormal } from "./adapters-weights.mjs";
import { withFolder } from "./workplace.mjs";

/** How many adapters stand one behind the other, so that what calling a session costs is small beside them. */
const LENGTH = 8;

/** Of the weights: small enough that a chain's numbers stay small. */
const DEVIATION = 0.02;

/** A chain of none: what calling a session costs. */
const NOTHING = "nothing";

/**
 * The functions alone, all with as many parameters: what tfc writes for each kind, and ScalarLM's formula.
 *
 * @returns for each number of tokens the times of each function, in microseconds, one a round; and how many numbers
 *   for each token there are in the values that it computes
 */
export function measureFunctions(hidden, { tokens, rounds, threads, clock }) {
  return withFolder(async (folder) => {
    const files = writeFunctions(folder, hidden);
    const shape = (steps) => [1, steps, hidden];
    const numbers = {};
    const sessions = {};
    for (const [name, file] of Object.entries(files)) {
      if (name !== NOTHING) numbers[name] = await numbersPerToken(file, { name: "x_0", shape }, folder);
      sessions[name] = await openSession(file, threads === undefined ? {} : { threads });
    }
    const measured = [];
    for (const steps of tokens) {
      const feeds = new Map([["x_0", normalTensor(shape(steps))]]);
      const acts = Object.entries(sessions).map(([name, session]) => [name, () => session.run(feeds)]);
      const { [NOTHING]: nothing, ...times } = await race(Object.fromEntries(acts), rounds(steps), clock);
      const perAdapter = (all) => all.map((time, round) => ((time - nothing[round]) * 1000) / LENGTH);
      const own = Object.entries(times).map(([name, all]) => [name, perAdapter(all)]);
      measured.push({ hidden, tokens: steps, times: Object.fromEntries(own) });
    }
    for (const session of Object.values(sessions)) await session.close();
    return { hidden, numbers, measured };
  });
}

/** The graphs' files, by what they call. */
function writeFunctions(folder, hidden) {
  const width = { inFeatures: hidden, outFeatures: hidden, dtype: "float" };
  const kinds = {
    scalarlm: { heads: HEADS, rank: RANK },
    pattention: { norm: "l2_norm_gelu", tokens: sameParameters(), tau: 0 },
    lora: { rank: sameParameters(), alpha: 16, rslora: false },
  };
  const files = { [NOTHING]: writeChain(folder, NOTHING, { hidden, leaves: [], length: 0 }) };
  for (const [name, settings] of Object.entries(kinds)) {
    const kind = adapterKinds.get(name);
    const coefficients = Object.keys(kind.coefficients(settings)).map((name) => ({ name, shape: [1] }));
    const leaves = [...kind.leaves(width, settings), ...coefficients];
    const body = (rewriter) =>
      kind.body(width, settings, {
        rewriter,
        loc: { file: "", path: "" },
        name: FUNCTION,
        opset: OPSET,
        form: "single",
        members: 1,
      });
    files[name] = writeChain(folder, name, { hidden, leaves, length: LENGTH, body });
    if (name !== "scalarlm") continue;
    const text = transcription({ hidden, heads: HEADS, rank: RANK });
    files.transcription = writeChain(folder, "transcription", { hidden, leaves, length: LENGTH, text });
  }
  return files;
}

function writeChain(folder, name, { hidden, leaves, length, body, text = "" }) {
  const weights = `${name}.data`;
  const model = parseModel(chain({ hidden, leaves, length }, weights) + text, { file: name });
  const rewriter = new Rewriter();
  if (body !== undefined) rewriter.addFunction(model, body(rewriter));
  const file = join(folder, `${name}.onnx`);
  writePieces(file, emitModel(model).pieces);
  const count = length * leaves.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  writeFileSync(join(folder, weights), "");
  truncateSync(join(folder, weights), count * 4);
  writeNormal(join(folder, weights), { count, deviation: DEVIATION });
  return file;
}
