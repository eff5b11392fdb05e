import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { loadTokenizer } from "../../runtime/generate/tokenizer.ts";
import { graphOf, sample } from "../runtime/oracle.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tfc } from "../support/tfc.ts";

const folder = temporaryFolder();
const script = path.resolve(import.meta.dirname, "../../bin/tfc.js");
const peft = path.resolve(import.meta.dirname, "../../samples/models/peft");
const withInputs = path.join(folder, "inputs/model.onnx");
const adapters = path.join(folder, "adapters");
const running: ChildProcessWithoutNullStreams[] = [];

beforeAll(async () => {
  const sites = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";
  const entries = [{ kind: "lora" as const, sites, settings: {} }];
  await compile({ input: graphOf("dynamo"), output: withInputs, entries, residence: "inputs" });
  mkdirSync(adapters);
  cpSync(path.join(peft, "plain"), path.join(adapters, "plain"), { recursive: true });
  cpSync(path.join(peft, "saved-modules"), path.join(adapters, "trains-the-base"), { recursive: true });
  writeFileSync(path.join(adapters, "README.md"), "adapters");
  writeFileSync(path.join(adapters, "notes.txt"), "not an adapter");
  symlinkSync("circle", path.join(adapters, "circle"));
});

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

/** `tfc serve` in a process of its own, once it listens. */
class Served {
  readonly #child: ChildProcessWithoutNullStreams;
  #stdout = "";
  stderr = "";
  info = { url: "", models: [] as string[], provider: "", isSingle: true };

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    const all = [script, "serve", ...args, "--port", "0", "--json", "--device", "cpu", "--threads", "1"];
    this.#child = spawn(process.execPath, all, { env: { ...process.env, ...env } });
    running.push(this.#child);
    this.#child.stdout.on("data", (part: Buffer) => (this.#stdout += part.toString()));
    this.#child.stderr.on("data", (part: Buffer) => (this.stderr += part.toString()));
  }

  async listening(): Promise<this> {
    while (!this.#stdout.includes("\n")) {
      if (this.#child.exitCode !== null) throw new Error(this.stderr);
      await Promise.race([once(this.#child.stdout, "data"), once(this.#child, "exit")]);
    }
    this.info = JSON.parse(this.#stdout) as typeof this.info;
    return this;
  }

  async post(body: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.info.url}/v1/completions`, {
      ...{ method: "POST", body: JSON.stringify(body) },
      headers: { "content-type": "application/json", ...headers },
    });
  }

  signal(name: "SIGTERM" | "SIGINT"): void {
    this.#child.kill(name);
  }

  /** Its exit status, once it has ended. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, "exit");
    return this.#child.exitCode;
  }
}

function served(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Served> {
  return new Served(args, { TFC_API_KEY: "", ...env }).listening();
}

interface Answer {
  readonly choices: readonly { readonly text: string }[];
}

/** What transformers answers, greedily. */
function oracle(name: string): { readonly prompt: readonly number[]; readonly text: string } {
  const file = path.resolve(import.meta.dirname, "../models/generate-oracle.json");
  const { models } = JSON.parse(readFileSync(file, "utf8")) as {
    models: Record<string, { prompt: number[]; ids: number[] }[]>;
  };
  const [row] = models[name] ?? [];
  if (row === undefined) throw new Error(`no oracle of ${name}`);
  return { prompt: row.prompt, text: loadTokenizer(sample).decode(row.ids) };
}

const tokenizer = ["--tokenizer", sample];

describe("tfc serve", () => {
  it("serves a model and the adapters of a folder that fit it", async () => {
    const server = await served([withInputs, "--adapters", adapters, ...tokenizer, "--name", "austen"]);
    expect(server.info).toEqual({
      url: server.info.url,
      models: ["austen", "plain"],
      provider: "cpu",
      isSingle: false,
    });
    expect(server.info.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(server.stderr).toMatch(
      /notes\.txt: warning SERVE_ADAPTER_UNFIT: .*\n {2}found ADAPTER_FORMAT_UNKNOWN/,
    );
    expect(server.stderr).toMatch(
      /trains-the-base: warning SERVE_ADAPTER_UNFIT: .*\n {2}found OVERRIDE_REFUSED/,
    );
    expect(server.stderr).not.toContain("README");
    for (const [model, name] of [
      ["austen", "austen-llama"],
      ["plain", "austen-llama + peft/plain"],
    ] as const) {
      const { prompt, text } = oracle(name);
      const answer = (await (await server.post({ model, prompt, max_tokens: 24 })).json()) as Answer;
      expect(answer.choices[0]?.text).toBe(text);
    }
    expect((await server.post({ model: "nobody", prompt: "a" })).status).toBe(404);
    server.signal("SIGTERM");
    expect(await server.ended()).toBe(0);
    expect(server.stderr).toMatch(/^\S+Z 127\.0\.0\.1 POST \/v1\/completions 200 \d+ms "plain" 14\+24$/m);
    expect(server.stderr).toMatch(/POST \/v1\/completions 404 \d+ms$/m);
  }, 60_000);

  it("says that a graph takes one row, and answers requests that come at once in turn", async () => {
    const one = path.join(folder, "one-row/model.onnx");
    await compile({ input: graphOf("dynamo"), output: one, adapters: false, batch: 1 });
    const server = await served([one, ...tokenizer, "--name", "austen"]);
    expect(server.info.isSingle).toBe(true);
    const { prompt, text } = oracle("austen-llama");
    const ask = (): Promise<Response> => server.post({ model: "austen", prompt, max_tokens: 24 });
    const answers = await Promise.all([ask(), ask(), ask()]);
    for (const answer of answers) expect(((await answer.json()) as Answer).choices[0]?.text).toBe(text);
  }, 60_000);

  it("finishes what runs when it is told to end", async () => {
    const server = await served([graphOf("dynamo"), ...tokenizer, "--name", "austen", "--quiet"]);
    const { prompt, text } = oracle("austen-llama");
    const response = await server.post({ model: "austen", prompt, max_tokens: 24, stream: true });
    server.signal("SIGINT");
    const events = (await response.text()).split("\n\n");
    const texts = events.flatMap((event) =>
      event.startsWith("data: {")
        ? (JSON.parse(event.slice(6)) as Answer).choices.map((one) => one.text)
        : [],
    );
    expect(texts.join("")).toBe(text);
    expect(events.at(-2)).toBe("data: [DONE]");
    expect(await server.ended()).toBe(0);
    expect(server.stderr).toBe("");
  }, 60_000);

  it("ends at once when it is told twice", async () => {
    const server = await served([graphOf("dynamo"), ...tokenizer, "--max-batch", "1"]);
    // One after another: many seconds, on any machine.
    const asked = { model: "dynamo", prompt: "a", max_tokens: 450, stop_token_ids: [2047], n: 32 };
    const answer = server.post(asked).then((response) => response.status);
    const isRunning = async (): Promise<boolean> =>
      ((await (await fetch(`${server.info.url}/health`)).json()) as { running: number }).running > 0;
    while (!(await isRunning()));
    server.signal("SIGTERM");
    while (!server.stderr.includes("SIGTERM")) await new Promise((resolve) => setTimeout(resolve, 5));
    server.signal("SIGTERM");
    expect(await answer).toBe(503);
    expect(await server.ended()).toBe(0);
  }, 60_000);

  it("takes its key from the environment, and warns where anyone could come", async () => {
    const open = await served([graphOf("dynamo"), ...tokenizer, "--host", "0.0.0.0"]);
    expect(open.stderr).toContain("warning SERVE_OPEN: whoever reaches 0.0.0.0 can use the model");
    const locked = await served([graphOf("dynamo"), ...tokenizer, "--host", "0.0.0.0"], { TFC_API_KEY: "k" });
    expect(locked.stderr).toBe("");
    const asked = { model: "dynamo", prompt: "a", max_tokens: 1 };
    const url = `http://127.0.0.1:${new URL(locked.info.url).port}`;
    locked.info = { ...locked.info, url };
    expect((await locked.post(asked)).status).toBe(401);
    expect((await locked.post(asked, { authorization: "Bearer k" })).status).toBe(200);
  }, 60_000);

  it("says when its address is taken", async () => {
    const server = await served([graphOf("dynamo"), ...tokenizer]);
    const { port } = new URL(server.info.url);
    const { status, stderr } = tfc(["serve", graphOf("dynamo"), "--port", port, "--device", "cpu"]);
    expect(stderr).toMatch(/^error SERVE_ADDRESS: the server cannot listen on 127\.0\.0\.1:\d+\n/);
    expect(status).toBe(1);
  }, 60_000);

  it.each([
    ["no model", ["nowhere.onnx"], "FILE_NOT_FOUND"],
    ["no folder of adapters", [withInputs, "--adapters", "nowhere"], "SERVE_ADAPTERS"],
    ["a path through a file", [withInputs, "--adapters", path.join(script, "a")], "SERVE_ADAPTERS"],
    ["a file as the folder", [withInputs, "--adapters", script], "SERVE_ADAPTERS"],
    ["a folder without adapters", [withInputs, "--adapters", path.join(sample, "dynamo")], "SERVE_ADAPTERS"],
    [
      "adapters for a graph that takes none",
      [graphOf("dynamo"), "--adapters", adapters],
      "ADAPTER_INPUTS_NONE",
    ],
    ["an adapter of the base's name", [withInputs, "--adapters", adapters, "--name", "plain"], "SERVE_NAME"],
    ["a port that is none", [withInputs, "--port", "x"], "OPTION_OUT_OF_RANGE"],
    ["a port beyond the last", [withInputs, "--port", "65536"], "OPTION_OUT_OF_RANGE"],
    ["no time", [withInputs, "--timeout", "0"], "OPTION_OUT_OF_RANGE"],
    ["a key that no header holds", [withInputs, "--api-key", "a b"], "OPTION_OUT_OF_RANGE"],
    ["no batch", [withInputs, "--max-batch", "0"], "OPTION_OUT_OF_RANGE"],
  ])(
    "refuses %s",
    (_, args, code) => {
      const { status, stdout, stderr } = tfc(["serve", ...args, "--device", "cpu", "--json"]);
      expect(stderr).toMatch(new RegExp(`error ${code}: `));
      expect(stderr).not.toMatch(/^ {4}at /m);
      expect(status).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code } });
    },
    60_000,
  );
});
