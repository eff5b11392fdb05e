import path from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { compile } from "../../../compiler/compile/compile.ts";
import type { AdapterGraph } from "../../../runtime/adapters/feeds.ts";
import { AdapterStore } from "../../../runtime/adapters/store.ts";
import type { AdapterHost } from "../../../runtime/engine/adapters.ts";
import { openSession } from "../../../runtime/session/session.ts";
import type { Port, Tensors } from "../../../runtime/session/tensor.ts";
import { tensorsIn, type Parcel } from "../../../runtime/threads/parcel.ts";
import { loraOf, refusalOf, writeWeights } from "../../support/adapters.ts";
import { graphOf } from "../oracle.ts";
import { all, folder, nextFile, patterns, plain, q, withInputs } from "./store-graph.ts";

/** An engine that opens parcels, and counts what it has. */
class Counting implements AdapterHost {
  readonly file: string;
  readonly inputs: readonly Port[];
  readonly adapters = new Map<number, Tensors>();
  puts = 0;
  most = 0;

  constructor(file: string, inputs: readonly Port[]) {
    this.file = file;
    this.inputs = inputs;
  }

  put(adapter: number, parcel: Parcel): void {
    expect(this.adapters.has(adapter)).toBe(false);
    this.adapters.set(adapter, tensorsIn(parcel));
    this.puts++;
    this.most = Math.max(this.most, this.adapters.size);
  }

  drop(adapter: number): void {
    expect(this.adapters.delete(adapter)).toBe(true);
  }
}

async function portsOf(file: string): Promise<readonly Port[]> {
  const session = await openSession(file, { threads: 1 });
  await session.close();
  return session.inputs;
}

describe("a store over an engine", () => {
  let engine: Counting;
  let graph: AdapterGraph;
  beforeAll(async () => {
    const file = await withInputs("lora", all, { rank: 2 });
    graph = { file, inputs: await portsOf(file) };
  });
  beforeEach(() => {
    engine = new Counting(graph.file, graph.inputs);
  });

  it("hands an adapter over once, however many ask for it at once", async () => {
    const store = new AdapterStore(engine, { adapters: { a: patterns } });
    const leases = await Promise.all(Array.from({ length: 5 }, () => store.lease("a")));
    leases.push(await store.lease("a"));
    expect([engine.puts, engine.adapters.size]).toEqual([1, 1]);
    const [number] = [...engine.adapters.keys()];
    for (const { adapter, feeds } of leases) expect([adapter, feeds.size]).toEqual([number, 0]);
    const given = engine.adapters.get(number ?? NaN)?.get(`${q}.lora_A.weight`);
    expect(given?.dims).toEqual([expect.any(Number), 128]);
    expect(given?.data.length).toBe(128 * (given?.dims[0] ?? NaN));
    const none = await store.lease(null);
    expect([none.adapter, none.feeds.size]).toEqual([null, 0]);
  });

  it("hands over nothing of what is refused", async () => {
    const store = new AdapterStore(engine);
    const bad = loraOf(q, { inFeatures: 64, outFeatures: 128 });
    const file = await writeWeights(nextFile(), bad);
    const act = (): Promise<unknown> => store.add("bad", file, { hints: { alpha: 4 } });
    expect(await refusalOf(act)).toMatchObject({ code: "ADAPTER_LEAF_SHAPE" });
    expect([engine.puts, store.names]).toEqual([0, []]);
  });

  it("drops what is replaced or removed when its last lease ends, under numbers that are never used again", async () => {
    const store = new AdapterStore(engine);
    await store.add("a", plain);
    const [first, again] = [await store.lease("a"), await store.lease("a")];
    await store.add("a", patterns);
    const second = await store.lease("a");
    expect([...engine.adapters.keys()]).toEqual([first.adapter, second.adapter]);
    first.release();
    expect(engine.adapters.size).toBe(2);
    again.release();
    expect([...engine.adapters.keys()]).toEqual([second.adapter]);
    store.remove("a");
    expect(engine.adapters.size).toBe(1);
    second.release();
    expect(engine.adapters.size).toBe(0);
    await store.add("a", plain);
    expect([first.adapter, second.adapter]).not.toContain((await store.lease("a")).adapter);
  });

  it("keeps nothing that was read for nobody", async () => {
    const store = new AdapterStore(engine, { adapters: { a: plain } });
    const controller = new AbortController();
    const lease = store.lease("a", controller.signal);
    controller.abort();
    store.remove("a");
    await expect(lease).rejects.toMatchObject({ name: "AbortError" });
    await store.add("b", patterns);
    expect(engine.adapters.size).toBe(1);
    expect(store.loaded).toEqual(["b"]);
  });

  it("holds as many as it has room for over a thousand swaps", async () => {
    const small = loraOf(q, { inFeatures: 128, outFeatures: 128 });
    const file = await writeWeights(nextFile(), small);
    const names = ["a", "b", "c", "d", "e"];
    const source = { path: file, hints: { alpha: 4 } };
    const adapters = Object.fromEntries(names.map((name) => [name, source]));
    const store = new AdapterStore(engine, { capacity: 2, adapters });
    for (let swap = 0; swap < 1000; swap++) {
      const lease = await store.lease(names[swap % names.length] ?? "");
      expect(engine.adapters.has(lease.adapter ?? NaN)).toBe(true);
      lease.release();
    }
    // Five names in turn and room for two: none is ever there still.
    expect(engine.puts).toBe(1000);
    expect(engine.most).toBe(2);
    expect(store.loaded).toHaveLength(2);
    for (const name of names) store.remove(name);
    expect(engine.adapters.size).toBe(0);
  });
});

describe("a store over a graph with a bank", () => {
  it("has its members by name, and reads nothing", async () => {
    const file = path.join(folder, "bank-store", "model.onnx");
    await compile({ input: graphOf("dynamo"), output: file, load: [plain, patterns], residence: "bank" });
    const engine = new Counting(file, await portsOf(file));
    const store = new AdapterStore(engine);
    expect(store.names).toEqual(["plain", "patterns"]);
    expect(store.loaded).toEqual(store.names);
    for (const [member, name] of store.names.entries()) {
      const lease = await store.lease(name);
      expect([lease.name, lease.adapter, lease.member]).toEqual([name, member, member]);
      await store.pin(name);
      store.unpin(name);
      lease.release();
    }
    const none = await store.lease("-1");
    expect([none.adapter, none.member]).toEqual([null, -1]);
    expect(await refusalOf(() => store.lease("2"))).toMatchObject({ code: "ADAPTER_NAME_UNKNOWN" });
    expect(engine.puts).toBe(0);
  });
});
