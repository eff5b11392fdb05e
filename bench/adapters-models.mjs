import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { adapterFile, compile } from "../dist/compiler/compile/compile.js";
import { emitModel } from "../dist/compiler/onnx/emit.js";
import { writePieces } from "../dist/compiler/onnx/output.js";
import { parseModel } from "../dist/compiler/text/parse.js";
import { noAdapter } from "../dist/runtime/adapters/feeds.js";
import { adapterInterface, MEMBER_IDS } from "../dist/runtime/adapters/ports.js";
import { makeFeeds } from "../dist/runtime/session/feeds.js";
import { openSession } from "../dist/runtime/session/session.js";
import { fillSafetensors, writeNormal } from "./adapters-weights.mjs";
import { llamaGraph, WEIGHT_FILE } from "./llama.mjs";
import { race } from "./adapters-measure.mjs";
import { MEMBERS, variants } from "./adapters-variants.mjs";
import { withFolder } from "./workplace.mjs";

/** Tokens before the one that is decoded. */
export const PAST = 512;

/** Of weights; norms lie around 1 by as much. */
const DEVIATION = 0.02;

/**
 * A model with adapters beside its base. Two sessions are open at a time: base and variant take turns, and at last the
 * bank takes turns with one adapter, too.
 *
 * @param {import("./llama.mjs").Llama} llama
 * @param {object} options
 * @param {number} options.rows of the batch
 * @param {readonly number[]} options.tokens of a step
 * @param {(tokens: number) => number} options.rounds
 * @param {number} [options.threads] onnxruntime's choice when left out
 * @param {readonly string[]} [options.only] ids of variants
 * @param {() => number} options.clock
 */
export function measureModel(llama, options) {
  return withFolder(async (folder) => {
    const input = writeDecoder(folder, llama);
    const chosen = variants.filter(({ id }) => options.only === undefined || options.only.includes(id));
    const compiled = [];
    for (const variant of chosen) compiled.push(await compileVariant(folder, input, variant));
    const measured = [];
    const base = await open(input, options);
    const cases = options.tokens.map((tokens) => ({
      tokens,
      feeds: makeFeeds(base, caseOf(tokens, options), { vocabulary: llama.vocab }),
    }));
    for (const variant of compiled.filter(({ id }) => id !== "bank")) {
      console.error(`  ${variant.name} beside the base`);
      measured.push({ ...variant, against: "base", results: await pair(base, variant, cases, options) });
    }
    await base.close();
    const [one, bank] = ["scalarlm", "bank"].map((id) => compiled.find((variant) => variant.id === id));
    if (one !== undefined && bank !== undefined) {
      console.error(`  ${bank.name} beside one adapter`);
      const session = await open(one.file, options);
      measured.push({ ...bank, against: "one adapter", results: await pair(session, bank, cases, options) });
      await session.close();
    }
    return measured;
  });
}

/** Times of a session and of a variant of it, for each case. */
async function pair(base, variant, cases, options) {
  const session = await open(variant.file, options);
  const extra = ownFeeds(session, options);
  const results = [];
  for (const { tokens, feeds } of cases) {
    const own = new Map([...feeds, ...extra]);
    const times = await race(
      { base: () => base.run(feeds), variant: () => session.run(own) },
      options.rounds(tokens),
      options.clock,
    );
    results.push({ tokens, ...times });
  }
  await session.close();
  return results;
}

function open(file, { threads }) {
  return openSession(file, threads === undefined ? {} : { threads });
}

function caseOf(tokens, { rows }) {
  return { batch: rows, sequence: tokens, past: tokens === 1 ? PAST : 0 };
}

/** What a graph takes beside what its base takes: no adapter, or of each row another member. */
function ownFeeds(session, { rows }) {
  const taken = adapterInterface(session.file, session.inputs);
  const members = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row % MEMBERS));
  const ids = { dtype: "int64", dims: [rows], data: members };
  return new Map([...noAdapter(taken), ...(taken.ids === null ? [] : [[MEMBER_IDS, ids]])]);
}

async function compileVariant(folder, input, { id, name, options }) {
  const output = join(folder, `${id}.onnx`);
  const report = await compile({ ...options, input, output, weights: "link" });
  // Fresh adapters are half zeros, and trained ones are not.
  if (report.parameters.added > 0) fillSafetensors(adapterFile(output), DEVIATION);
  return { id, name, file: output, parameters: report.parameters };
}

/** Writes a decoder with random weights. */
function writeDecoder(folder, llama) {
  const file = join(folder, "model.onnx");
  const { text, weightBytes } = llamaGraph(llama, { notes: false });
  const model = parseModel(text, { file: "model.onnx" });
  writePieces(file, emitModel(model).pieces);
  const weights = join(folder, WEIGHT_FILE);
  writeFileSync(weights, "");
  truncateSync(weights, weightBytes);
  let offset = 0;
  for (const { constant } of model.graph.initializers) {
    if (constant?.storage.kind !== "external") continue;
    const mean = constant.shape.length === 1 ? 1 : 0;
    writeNormal(weights, { offset, count: constant.size, mean, deviation: DEVIATION });
    offset += constant.size * 4;
  }
  return file;
}
