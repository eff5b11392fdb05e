import { describe, expect, it } from "@jest/globals";
import { serving, until } from "./serving.ts";
import { posted, wire } from "./wire.ts";

const asked = { model: "scripted", prompt: "a" };

describe("a server that is closed", () => {
  it("finishes what runs and what waits, and takes nothing more", async () => {
    const server = await serving({ gap: 10, slots: 1 });
    const stream = server.send("/v1/completions", { ...asked, max_tokens: 100, stream: true });
    const waits = server.send("/v1/completions", { ...asked, max_tokens: 2 });
    await until(() => server.model.load.waiting === 1);
    const closing = server.close();
    await expect(server.send("/v1/completions", asked)).rejects.toThrow();
    expect((await stream).text).toContain("[DONE]");
    expect((await waits).status).toBe(200);
    const began = performance.now();
    await closing;
    // Node keeps idle connections for five seconds.
    expect(performance.now() - began).toBeLessThan(4000);
  });

  it("refuses requests on connections that are open", async () => {
    let finish = (): void => undefined;
    const told = new Promise<void>((resolve) => (finish = resolve));
    const server = await serving({ before: (_, token) => (token > 0 ? told : undefined) });
    const { socket, said, closed } = wire(server.port);
    socket.write(posted({ ...asked, max_tokens: 20, stream: true }));
    await until(() => said().includes("a0"));
    const closing = server.close();
    socket.write(posted(asked), finish);
    await closed;
    await closing;
    expect(said()).toMatch(/\[DONE\][^]*HTTP\/1.1 503 [^]*connection: close[^]*"code":"stopping"/i);
  });

  it("ends what takes longer than its grace, and says so", async () => {
    const server = await serving({ gap: 10 });
    const stream = server.send("/v1/completions", { ...asked, max_tokens: 4000, stream: true });
    const whole = server.send("/v1/completions", { ...asked, max_tokens: 4000 });
    await until(() => server.model.load.running === 2);
    await server.close(0.05);
    expect((await stream).text).toMatch(/"code":"stopping"\}\}\n\n$/);
    expect(await whole).toMatchObject({ status: 503, json: { error: { code: "stopping" } } });
    expect(server.model.load.running).toBe(0);
  });

  it("ends at once when it is closed again", async () => {
    const server = await serving({ gap: 10 });
    const stream = server.send("/v1/completions", { ...asked, max_tokens: 4000, stream: true });
    await until(() => server.model.taken > 1);
    const closing = server.close(3600);
    await server.close();
    await closing;
    expect((await stream).text).toContain('"code":"stopping"');
  });

  it("does not wait for clients that say nothing", async () => {
    const server = await serving();
    const { socket, closed } = wire(server.port);
    await new Promise((resolve) => socket.once("connect", resolve));
    const began = performance.now();
    await server.close(0.2);
    // A client that stalls has thirty.
    expect(performance.now() - began).toBeLessThan(10_000);
    await closed;
  });
});
