import { describe, expect, it } from "@jest/globals";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import { serving, until } from "./serving.ts";
import { head, posted, wire } from "./wire.ts";

const asked = { model: "scripted", prompt: "a", max_tokens: 2 };

describe("a key", () => {
  it.each([
    ["the right one", { authorization: "Bearer secret-key" }, 200],
    ["one in other letters of the scheme", { authorization: "bearer secret-key" }, 200],
    ["none", {}, 401],
    ["another", { authorization: "Bearer secret-kez" }, 401],
    ["one with more behind it", { authorization: "Bearer secret-key2" }, 401],
    ["another scheme", { authorization: "Basic secret-key" }, 401],
  ])("is asked for: %s", async (_, headers, wanted) => {
    const { send, model } = await serving({}, { apiKey: "secret-key" });
    const { status, json } = await send("/v1/completions", asked, { headers });
    expect(status).toBe(wanted);
    if (wanted === 401) expect(json?.error?.code).toBe("invalid_api_key");
    expect(model.requests).toHaveLength(wanted === 200 ? 1 : 0);
    expect((await send("/v1/models", undefined, { headers })).status).toBe(wanted);
    // Those who watch servers have no keys.
    expect((await send("/health")).status).toBe(200);
  });

  it("has to fit into a header", async () => {
    await expect(serving({}, { apiKey: "two words" })).rejects.toMatchObject({ code: "OPTION_OUT_OF_RANGE" });
  });
});

describe("room", () => {
  it("refuses what is too much, and takes it when there is room again", async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const { send, model } = await serving({ slots: 1, before: () => gate }, { maxAnswers: 3 });
    const first = send("/v1/completions", { ...asked, n: 2 });
    await until(() => model.requests.length === 2);
    const { status, headers, json } = await send("/v1/completions", { ...asked, n: 2 });
    expect([status, json?.error?.code, headers.get("retry-after")]).toEqual([429, "queue_full", "1"]);
    const third = send("/v1/completions", asked);
    await until(() => model.requests.length === 3);
    expect((await send("/health")).json).toEqual({ status: "ok", answers: 3, running: 1, waiting: 2 });
    open();
    expect((await first).status).toBe(200);
    expect((await third).status).toBe(200);
    expect((await send("/health")).json).toMatchObject({ answers: 0, running: 0, waiting: 0 });
    expect((await send("/v1/completions", { ...asked, n: 3 })).status).toBe(200);
  });
});

describe("time", () => {
  const never = new Promise<void>(() => undefined);

  it("ends an answer that takes too long", async () => {
    const { send, log } = await serving(
      { before: ({ signal }) => Promise.race([never, aborted(signal)]) },
      { timeout: 0.1 },
    );
    const { status, json } = await send("/v1/completions", asked);
    expect([status, json?.error?.code]).toEqual([504, "timeout"]);
    expect(log[0]?.status).toBe(504);
  });

  it("ends a stream that takes too long with an error", async () => {
    const before = (
      { signal }: { readonly signal?: AbortSignal },
      token: number,
    ): Promise<void> | undefined => (token < 1 ? undefined : Promise.race([never, aborted(signal)]));
    // Long enough for the first token to be sent on a machine that does other things, too.
    const { send } = await serving({ before }, { timeout: 1 });
    const { status, text } = await send("/v1/completions", { ...asked, stream: true });
    expect(status).toBe(200);
    expect(text).toMatch(/" a0"[^]*"code":"timeout"\}\}\n\n$/);
  });

  it.each([
    ["headers that do not end", "POST /v1/completions HTTP/1.1\r\nHost: x\r\n"],
    ["a body that does not come", head(100)],
    ["a body in chunks that does not end", `${head("chunked")}5\r\n{"mod\r\n`],
  ])("ends %s", async (_, text) => {
    const { port, send } = await serving({}, { stallTimeout: 0.2 });
    const { socket, said, closed } = wire(port);
    socket.write(text);
    await closed;
    expect(said()).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n[^]*"code":"request_timeout"/);
    expect((await send("/v1/completions", asked)).status).toBe(200);
  });
});

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => {
      reject(signal.reason as Error);
    });
  });
}

describe("size", () => {
  it("is looked at before the body is sent", async () => {
    const { port } = await serving({}, { maxBody: 1000 });
    const { socket, said, closed } = wire(port);
    socket.write(head(10 ** 12));
    await until(() => said().includes("request_too_large"));
    expect(said()).toMatch(/^HTTP\/1.1 413 /);
    await closed;
  });

  it("is by the model's context where it is not said", async () => {
    const body = { ...asked, prompt: "a".repeat(2 ** 17) };
    expect((await (await serving({ context: 100_000 })).send("/v1/completions", body)).status).toBe(200);
    expect((await (await serving({ context: 1000 })).send("/v1/completions", body)).status).toBe(413);
  });

  it("is counted of a body in chunks without end", async () => {
    const { port } = await serving({}, { maxBody: 1000 });
    const { socket, said, closed } = wire(port);
    socket.write(head("chunked"));
    const timer = setInterval(() => socket.write(`64\r\n${" ".repeat(100)}\r\n`), 1);
    await closed;
    clearInterval(timer);
    expect(said()).toMatch(/^HTTP\/1.1 413 [^]*"request_too_large"/);
  });
});

describe("a model that has stopped", () => {
  it("is told to those who watch the server", async () => {
    const { send } = await serving({
      before: () => {
        throw inputError("ENGINE_STOPPED", {}, { why: "out of memory" });
      },
    });
    expect((await send("/health")).status).toBe(200);
    expect((await send("/v1/completions", asked)).status).toBe(500);
    const { status, json } = await send("/health");
    expect([status, json?.error?.code]).toEqual([503, "model_stopped"]);
  });
});

describe("what is not HTTP", () => {
  it.each([
    ["noise", "\u0000\u0001\u0002\r\n\r\n", /^HTTP\/1.1 400 [^]*"code":"invalid_http"/],
    [
      "headers without end",
      `GET / HTTP/1.1\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
      /^HTTP\/1.1 431 [^]*"code":"headers_too_large"/,
    ],
    ["a host that is none", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", /^HTTP\/1.1 400 [^]*"code":"invalid_url"/],
    [
      "two lengths",
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      /^HTTP\/1.1 400 [^]*"code":"invalid_http"/,
    ],
  ])("is refused: %s", async (_, text, wanted) => {
    const { port, send } = await serving();
    const { socket, said } = wire(port);
    socket.write(text);
    await until(() => wanted.test(said()));
    socket.destroy();
    expect((await send("/v1/completions", asked)).status).toBe(200);
  });

  it("does not get into an answer that is on its way", async () => {
    const { port } = await serving({ gap: 5 });
    const { socket, said, closed } = wire(port);
    socket.write(posted({ ...asked, max_tokens: 50, stream: true }));
    await until(() => said().includes("a0"));
    socket.write("\u0000\u0001 noise\r\n\r\n");
    await closed;
    expect(said().match(/HTTP\/1.1/g)).toHaveLength(1);
  });
});

describe("options", () => {
  it.each([
    [{ port: 70_000 }],
    [{ port: -1 }],
    [{ maxAnswers: 0 }],
    [{ maxTokens: 1.5 }],
    [{ maxBody: Number.NaN }],
    [{ timeout: 0 }],
    [{ stallTimeout: Infinity }],
  ])("are checked: %j", async (options) => {
    await expect(serving({}, options)).rejects.toMatchObject({ code: "OPTION_OUT_OF_RANGE" });
  });

  it("of an address that is taken, or none of this machine's, are an error", async () => {
    const { port } = await serving();
    await expect(serving({}, { port })).rejects.toMatchObject({ code: "SERVE_ADDRESS" });
    await expect(serving({}, { host: "192.0.2.1" })).rejects.toMatchObject({ code: "SERVE_ADDRESS" });
  });

  it("give the base another name, which no adapter may have", async () => {
    const { models } = await serving({ adapters: ["a"] }, { name: "org/b" });
    expect(models).toEqual(["org/b", "a"]);
    await expect(serving({ adapters: ["a"] }, { name: "a" })).rejects.toMatchObject({ code: "SERVE_NAME" });
  });
});
