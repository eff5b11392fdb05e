import { spawnSync } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { expect, it } from "@jest/globals";
import { EngineThread } from "../../../runtime/engine/client.ts";
import { sample } from "../oracle.ts";

const library = pathToFileURL(path.resolve(import.meta.dirname, "../../../dist/runtime/index.js")).href;
const graph = path.join(sample, "dynamo/model.onnx");

/** Runs a script that has loaded a model; its exit status and what it wrote. */
function run(body: string): { readonly status: number | null; readonly output: string } {
  const script = `
    import { loadModel } from ${JSON.stringify(library)};
    const model = await loadModel(${JSON.stringify(graph)}, { device: "cpu", threads: 1 });
    const long = Array.from({ length: 500 }, (_, i) => i);
    ${body}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, output: stdout + stderr };
}

it.each([
  ["an idle model that nobody closed", "", 0],
  ["one after an answer", "await model.generate({ prompt: [1, 2], maxNewTokens: 2 }).result();", 0],
  [
    "one in the middle of a run that nobody waits for",
    "const answer = model.generate({ prompt: long }); setTimeout(() => answer.pieces().return(), 50);",
    0,
  ],
  [
    "process.exit() in the middle of a run",
    "model.generate({ prompt: long }); setTimeout(() => process.exit(7), 100);",
    7,
  ],
  [
    "an error in the middle of a run",
    "model.generate({ prompt: long }); setTimeout(() => { throw new Error('on purpose'); }, 100);",
    1,
  ],
])("the process ends as it should: %s", (_, body, status) => {
  const ended = run(body);
  expect(ended.output.replace(/[^]*on purpose[^]*/, "")).toBe("");
  expect(ended.status).toBe(status);
});

it("waits for an answer that is under way", () => {
  const { status, output } = run(
    "void model.generate({ prompt: [1, 2], maxNewTokens: 9 }).result().then(({ ids }) => console.log(ids.length));",
  );
  expect([status, output]).toEqual([0, "9\n"]);
});

it("lets the event loop go on while a long prompt runs", () => {
  const { output } = run(`
    let turns = 0;
    let isRunning = true;
    const turn = () => { turns++; if (isRunning) setImmediate(turn); };
    turn();
    await model.generate({ prompt: long, maxNewTokens: 1 }).result();
    isRunning = false;
    console.log(turns);`);
  // A loop that is held up by the run turns a few times before and after it; one that is not, ten thousand times.
  expect(Number(output)).toBeGreaterThan(500);
});

it("names what is wrong with a file that it cannot load", async () => {
  const options = { device: "cpu", maxBatch: 1, contextLength: null } as const;
  await expect(EngineThread.start({ ...options, file: "nowhere.onnx" })).rejects.toMatchObject({
    code: "FILE_NOT_FOUND",
  });
});

it.each([
  ["throws", "throw new Error('on purpose')", "on purpose"],
  ["ends", "process.exit(3)", "exit code 3"],
])("tells all who wait when the thread %s", async (_, act, found) => {
  const ready = {
    type: "ready",
    provider: "cpu",
    inputs: [],
    outputs: [],
    contextLength: null,
    vocabularySize: 8,
  };
  const script = `
    const { parentPort } = require("node:worker_threads");
    parentPort.on("message", () => { ${act}; });
    parentPort.postMessage(${JSON.stringify(ready)});`;
  const options = { file: "m.onnx", device: "cpu", maxBatch: 1, contextLength: null } as const;
  const engine = await EngineThread.start(options, () => new Worker(script, { eval: true }));
  const request = {
    prompt: [1],
    adapter: null,
    maxNewTokens: 1,
    stopIds: [],
    sampling: {},
    rules: {},
    logprobs: null,
  };
  const told = await new Promise<Error>((resolve) => {
    engine.request(request, { token: () => undefined, end: () => undefined, error: resolve });
  });
  expect(told).toMatchObject({ code: "ENGINE_STOPPED", message: expect.stringContaining(found) as unknown });
  expect(() =>
    engine.request(request, { token: () => undefined, end: () => undefined, error: () => undefined }),
  ).toThrow(expect.objectContaining({ code: "ENGINE_STOPPED" }));
  await engine.close();
});
