/*
 * A server in a process of its own, for tests that measure it: `node --expose-gc serve-child.mjs MODEL OPTIONS`, with
 * options of loadModel and serve as JSON. It sends its address; asked for "memory", it collects garbage and sends what is
 * left; told to "close", it ends.
 */
import { setTimeout as delay } from "node:timers/promises";
import { loadModel } from "../../dist/runtime/model/load.js";
import { serve } from "../../dist/runtime/serve/index.js";

const [, , file, options] = process.argv;
const { model: loading, serve: serving } = JSON.parse(options);
const model = await loadModel(file, loading);
const server = await serve(model, { port: 0, ...serving });

process.on("message", async (message) => {
  if (message === "memory") {
    // Twice: what the first finds unreachable may hold what the second finds.
    for (let i = 0; i < 2; i++) {
      globalThis.gc();
      await delay(20);
    }
    const { heapUsed, external, rss } = process.memoryUsage();
    process.send({ heap: heapUsed + external, rss, load: model.load });
  } else {
    await server.close(5);
    await model.close();
    process.disconnect();
  }
});
process.send({ url: server.url });
