/**
 * Generates on request, for run-models.mjs: `node run-worker.mjs tfc|transformers.js PLAN`, where PLAN is JSON: `file` a
 * graph, `threads`; for transformers.js `package`, its folder, and `folder` of the model in its layout.
 *
 * Reads lines of JSON, { prompt: ids, new: n }; answers each with { seconds, ids }, or with { memory } where nothing is
 * asked for.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [engine, text] = process.argv.slice(2);
const plan = JSON.parse(text);
const generate = await { tfc, "transformers.js": transformersJs }[engine](plan);
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const answer = question.prompt === undefined ? { memory: peak() } : await timed(question);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);

async function timed(question) {
  const start = performance.now();
  const ids = await generate(question);
  return { seconds: (performance.now() - start) / 1000, ids };
}

async function tfc({ file, threads }) {
  const { loadModel } = await import("../dist/runtime/index.js");
  const model = await loadModel(file, { device: "cpu", threads });
  return async ({ prompt, new: count }) =>
    (await model.generate({ prompt, maxNewTokens: count, stopIds: [] }).result()).ids;
}

async function transformersJs({ package: where, folder, threads }) {
  const { exports, module, main } = JSON.parse(readFileSync(path.join(where, "package.json"), "utf8"));
  const entry = exports?.node?.import?.default ?? exports?.node?.import ?? module ?? main;
  const { AutoModelForCausalLM, Tensor, env } = await import(pathToFileURL(path.join(where, entry)));
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(folder);
  const model = await AutoModelForCausalLM.from_pretrained(path.basename(folder), {
    ...{ dtype: "fp32", device: "cpu", local_files_only: true },
    session_options: { intraOpNumThreads: threads, logSeverityLevel: 3 },
  });
  return async ({ prompt, new: count }) => {
    const tensor = (values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
    const sequence = await model.generate({
      inputs: tensor(prompt),
      attention_mask: tensor(prompt.map(() => 1)),
      ...{ max_new_tokens: count, do_sample: false, eos_token_id: null },
    });
    return Array.from(sequence.data, Number).slice(prompt.length);
  };
}

function peak() {
  const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "ascii")) ?? [];
  return Number(kilobytes) * 1024;
}
