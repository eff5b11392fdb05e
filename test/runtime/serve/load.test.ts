import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { crowd, type Visited } from "../../../bench/serve-crowd.mjs";
import { compile } from "../../../compiler/compile/compile.ts";
import { loadTokenizer } from "../../../runtime/generate/tokenizer.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { graphOf, sample } from "../oracle.ts";

const folder = temporaryFolder();
const models = path.resolve(import.meta.dirname, "../../../samples/models");
const adapters = ["plain", "patterns", "some-layers"];
const CLIENTS = 200;
const TOKENS = 8;

interface Row {
  readonly prompt: readonly number[];
  readonly ids: readonly number[];
}

/** What transformers answers, greedily, by the names that models have here. */
function oracle(): ReadonlyMap<string, readonly Row[]> {
  const file = path.resolve(import.meta.dirname, "../../models/generate-oracle.json");
  const { models: rows } = JSON.parse(readFileSync(file, "utf8")) as {
    readonly models: Readonly<Record<string, readonly Row[]>>;
  };
  const named = (name: string): string =>
    name === "austen" ? "austen-llama" : `austen-llama + peft/${name}`;
  return new Map(["austen", ...adapters].map((name) => [name, rows[named(name)] ?? []]));
}

const tokenizer = loadTokenizer(sample);
const answers = oracle();
const wanted = [...answers].flatMap(([, rows]) =>
  rows.map(({ ids }) => tokenizer.decode(ids.slice(0, TOKENS))),
);

/** What the clients ask of models of these names, in the oracle's order. */
function asksOf(names: readonly string[]): readonly object[] {
  return [...answers].flatMap(([, rows], i) =>
    rows.map(({ prompt }) => ({ model: names[i], prompt, max_tokens: TOKENS })),
  );
}

interface Memory {
  /** Bytes in use after a collection: the heap's, and what hangs on it. */
  readonly heap: number;
  readonly rss: number;
  readonly load: { readonly running: number; readonly waiting: number };
}

/** A server that is a process. */
class Served {
  readonly #child: ChildProcess;
  url = "";

  constructor(file: string, loading: object) {
    const options = {
      model: { tokenizer: sample, threads: 1, ...loading },
      serve: { name: "austen", maxAnswers: 400 },
    };
    const script = path.resolve(import.meta.dirname, "../../support/serve-child.mjs");
    this.#child = fork(script, [file, JSON.stringify(options)], { execArgv: ["--expose-gc"] });
  }

  async start(): Promise<void> {
    this.url = (await this.#said<{ url: string }>()).url;
  }

  memory(): Promise<Memory> {
    const said = this.#said<Memory>();
    this.#child.send("memory");
    return said;
  }

  async close(): Promise<number | null> {
    const ended = once(this.#child, "exit") as Promise<[number | null]>;
    this.#child.send("close");
    return (await ended)[0];
  }

  async #said<T>(): Promise<T> {
    const [message] = (await once(this.#child, "message")) as [T];
    return message;
  }
}

/** Looks at what each client got: nothing lost, nothing of another's. */
function check(visits: readonly Visited[]): void {
  expect(visits).toHaveLength(CLIENTS);
  for (const { kind, ask, status, wanted: code, text = "", isWhole } of visits) {
    const answer = wanted[ask] ?? "";
    expect([kind, status]).toEqual([kind, code]);
    if (kind === "leaves") expect(answer.startsWith(text)).toBe(true);
    else if (kind !== "broken") expect([kind, ask, text]).toEqual([kind, ask, answer]);
    if (kind === "stream" || kind === "slow") expect(isWhole).toBe(true);
  }
}

async function compiled(residence: "inputs" | "bank"): Promise<string> {
  const output = path.join(folder, residence, "model.onnx");
  const load = adapters.map((name) => path.join(models, "peft", name));
  const sites = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";
  await compile({
    ...{ input: graphOf("dynamo"), output, residence },
    ...(residence === "bank" ? { load } : { entries: [{ kind: "lora", sites, settings: {} }] }),
  });
  return output;
}

describe.each(["inputs", "bank"] as const)("200 clients of a model with adapters as %s", (residence) => {
  let served: Served;

  beforeAll(async () => {
    const paths = Object.fromEntries(adapters.map((name) => [name, path.join(models, "peft", name)]));
    served = new Served(await compiled(residence), residence === "bank" ? {} : { adapters: paths });
    await served.start();
  }, 60_000);

  afterAll(async () => {
    expect(await served.close()).toBe(0);
  });

  it("get what each would get alone, and memory stays as it is", async () => {
    const listed = (await (await fetch(`${served.url}/v1/models`)).json()) as {
      readonly data: readonly { readonly id: string }[];
    };
    const asks = asksOf(listed.data.map(({ id }) => id));
    const memories: Memory[] = [];
    for (let round = 0; round < 3; round++) {
      check(await crowd(served.url, asks, CLIENTS, round));
      memories.push(await served.memory());
    }
    expect(memories.map(({ load }) => load)).toEqual(memories.map(() => ({ running: 0, waiting: 0 })));
    const heaps = memories.map(({ heap }) => heap / 1e6);
    // The first warms code and buffers up. Each later one may leave a little of its own, and takes it back.
    expect((heaps[2] ?? 0) - (heaps[1] ?? 0)).toBeLessThan(1);
  }, 120_000);
});
