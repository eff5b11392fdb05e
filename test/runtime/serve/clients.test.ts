import { request as open, type IncomingMessage } from "node:http";
import { describe, expect, it } from "@jest/globals";
import { serving, until, type Serving } from "./serving.ts";

const LONG = 20_000;

/** A stream that is opened and not read. */
function stream({ port }: Serving, more: object = {}): Promise<IncomingMessage> {
  const body = { model: "scripted", prompt: "word ".repeat(50), max_tokens: LONG, stream: true, ...more };
  return new Promise((resolve, reject) => {
    const sent = open({
      ...{ port, host: "127.0.0.1", method: "POST", path: "/v1/completions" },
      headers: { "content-type": "application/json" },
    });
    sent.on("response", resolve);
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
}

const limits = { maxTokens: LONG };

describe("a client that does not read", () => {
  it("is sent no more than the connection takes, while its answer is made to the end", async () => {
    const server = await serving({ token: (_, i) => `${i}-`.padEnd(1000, "x") }, limits);
    const response = await stream(server);
    await until(() => server.model.load.running === 0 && server.model.taken > 10);
    let before = -1;
    while (server.model.taken !== before) {
      before = server.model.taken;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // Of 20 MB, what the buffers of the system hold.
    expect(before).toBeLessThan(LONG / 2);
    // It counts as an answer until it is read.
    expect((await server.send("/health")).json).toMatchObject({ answers: 1, running: 0 });
    let text = "";
    for await (const part of response) text += String(part);
    expect(server.model.taken).toBe(LONG);
    const numbers = [...text.matchAll(/"text":"(\d+)-x/g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(Array.from({ length: LONG }, (_, i) => i));
    await until(() => server.log.length === 2);
    expect((await server.send("/health")).json).toMatchObject({ answers: 0 });
  });

  it("is cut off when it takes nothing for too long", async () => {
    const server = await serving(
      { token: (_, i) => `${i}-`.padEnd(1000, "x") },
      { ...limits, stallTimeout: 0.3 },
    );
    const response = await stream(server);
    response.on("error", () => undefined);
    await until(() => server.log.length === 1);
    expect(server.log[0]).toMatchObject({ status: 499 });
    expect((await server.send("/health")).json).toMatchObject({ answers: 0 });
    response.destroy();
  });
});

describe("a client that goes", () => {
  it.each([
    ["while it is streamed to", true, 1],
    ["while it waits for the whole", false, 1],
    ["while it is in the queue", true, 0],
  ])("%s frees its place", async (_, isStream, slots) => {
    const server = await serving({ gap: 2, slots: Math.max(1, slots) }, limits);
    const blocking =
      slots === 0
        ? server.send("/v1/completions", { model: "scripted", prompt: "other", max_tokens: 100 })
        : null;
    if (blocking !== null) await until(() => server.model.load.running === 1);
    const leaving = new AbortController();
    const gone = server.send(
      "/v1/completions",
      { model: "scripted", prompt: "x", max_tokens: LONG, stream: isStream },
      { signal: leaving.signal },
    );
    await until(
      () => server.model.load.running + server.model.load.waiting === 1 + Number(blocking !== null),
    );
    if (isStream && blocking === null) await until(() => server.model.taken > 3);
    leaving.abort();
    await expect(gone).rejects.toThrow();
    await until(() => server.log.length === 1);
    expect(server.log[0]?.status).toBe(499);
    await until(
      () => server.model.load.waiting === 0 && server.model.load.running === Number(blocking !== null),
    );
    expect((await blocking)?.status ?? 200).toBe(200);
    expect((await server.send("/health")).json).toMatchObject({ answers: 0 });
  });

  it("before its request is complete costs nothing", async () => {
    const server = await serving();
    const sent = open({
      ...{ port: server.port, host: "127.0.0.1", method: "POST", path: "/v1/completions" },
      headers: { "content-type": "application/json", "content-length": "1000", expect: "100-continue" },
    });
    sent.on("error", () => undefined);
    sent.flushHeaders();
    await new Promise((resolve) => sent.once("continue", resolve));
    sent.write('{"model":');
    sent.destroy();
    await until(() => server.log.length === 1);
    expect(server.log[0]).toMatchObject({ status: 499 });
    expect(server.log[0]?.error).toBeUndefined();
  });
});
