import { Worker } from "node:worker_threads";
import { describe, expect, it } from "@jest/globals";
import { AdapterReader, adapterReader } from "../../../runtime/adapters/reader.ts";
import { refusalOf } from "../../support/adapters.ts";
import { patterns, plain } from "./store-graph.ts";

const graph = { file: "model.onnx", inputs: [] };

describe("a reader thread that ends", () => {
  it.each([
    ["process.exit(3)", "status 3"],
    ["throw new Error('no memory left')", "no memory left"],
  ])("by %s fails all who wait, and the next read starts another", async (act, why) => {
    let started = 0;
    const answering =
      "parentPort.on('message', ({ id }) => parentPort.postMessage({ id, result: { parcel: null, base: 'same' } }))";
    const reader = new AdapterReader(() => {
      const code = started++ === 0 ? `parentPort.on('message', () => { ${act} })` : answering;
      return new Worker(`const { parentPort } = require('node:worker_threads'); ${code}`, { eval: true });
    });
    const said = await Promise.all(
      [plain, patterns].map((path) => refusalOf(() => reader.read({ graph, path }))),
    );
    for (const [i, path] of [plain, patterns].entries())
      expect(said[i]).toMatchObject({
        code: "ADAPTER_READER_ENDED",
        file: path,
        found: expect.stringContaining(why),
      });
    expect((await reader.read({ graph, path: plain })).base).toBe("same");
    expect(started).toBe(2);
  });
});

it("errors come out of the thread as they were thrown in it", async () => {
  const said = await refusalOf(() => adapterReader.read({ graph, path: "nowhere" }));
  expect(said).toMatchObject({ code: "FILE_NOT_FOUND", file: "nowhere" });
});
