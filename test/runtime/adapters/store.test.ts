import { cpSync, rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { adapterFile, compile } from "../../../compiler/compile/compile.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { AdapterStore } from "../../../runtime/adapters/store.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { apart, logitsOf, recorded, samples, TOLERANCE } from "../../models/adapted/logits.ts";
import { refusalOf, save } from "../../support/adapters.ts";
import { graphOf } from "../oracle.ts";
import {
  all,
  bitsOf,
  bitsWith,
  folder,
  nextFile,
  patterns,
  plain,
  someLayers,
  withInputs,
} from "./store-graph.ts";

let session: Session;
let stores = 0;
beforeAll(async () => {
  session = await openSession(await withInputs("lora", all, { rank: 2 }), { threads: 1 });
});
afterAll(() => session.close());

/** How far a leased adapter's logits are from those that PyTorch computed with the PEFT folder of a name. */
async function expectLogits(store: AdapterStore, name: string, folderName = name): Promise<void> {
  const lease = await store.lease(name);
  const want = recorded(`peft/${folderName}/logits.safetensors`, "elinor");
  expect(apart(await logitsOf(session, "elinor", lease.feeds), want, "elinor")).toBeLessThan(TOLERANCE);
  lease.release();
}

/** A lease that ends at once: the adapter was used. */
async function use(store: AdapterStore, ...names: readonly string[]): Promise<void> {
  for (const name of names) (await store.lease(name)).release();
}

describe("an adapter store", () => {
  it("gives an adapter's numbers bit for bit whenever it is leased, and the base's for none", async () => {
    const base = await openSession(graphOf("dynamo"), { threads: 1 });
    const none = await bitsOf(base);
    await base.close();
    const store = new AdapterStore(session, { adapters: { c: someLayers } });
    expect((await bitsWith(session, store, null)).equals(none)).toBe(true);
    const seen = new Map<string | null, Buffer>([[null, none]]);
    await store.add("a", patterns);
    await store.add("b", plain);
    for (const name of ["a", "b", "a", null, "c", "a", "c", "b", null]) {
      const bits = await bitsWith(session, store, name);
      const before = seen.get(name);
      if (before !== undefined) expect(bits.equals(before)).toBe(true);
      for (const [other, others] of seen) if (other !== name) expect(bits.equals(others)).toBe(false);
      seen.set(name, bits);
    }
    expect(seen.size).toBe(4);
  });

  it("does not mix adapters that are leased at the same time", async () => {
    const store = new AdapterStore(session, { adapters: { a: patterns, b: plain } });
    const want = new Map<string, Buffer>();
    for (const name of ["a", "b"]) want.set(name, await bitsWith(session, store, name));
    const names = ["a", "b", "b", "a", "a", "b"];
    const bits = await Promise.all(names.map((name) => bitsWith(session, store, name)));
    for (const [i, name] of names.entries()) expect(bits[i]).toEqual(want.get(name));
  });

  it("reads nothing by being made: what it knows from the start is read when it is wanted", async () => {
    const store = new AdapterStore(session, { adapters: { b: patterns, broken: folder } });
    expect([store.names, store.loaded]).toEqual([["b", "broken"], []]);
    await store.add("a", plain);
    expect([store.names, store.loaded]).toEqual([["b", "broken", "a"], ["a"]]);
    await expectLogits(store, "b", "patterns");
    expect(store.loaded).toEqual(["a", "b"]);
    expect(await refusalOf(() => store.lease("broken"))).toMatchObject({ code: "ADAPTER_FORMAT_UNKNOWN" });
    expect([store.names, store.loaded]).toEqual([
      ["b", "broken", "a"],
      ["a", "b"],
    ]);
  });

  it("replaces an adapter that is added under a name it knows", async () => {
    const store = new AdapterStore(session);
    await store.add("a", plain);
    await store.add("b", plain);
    await store.add("a", patterns);
    expect([store.names, store.loaded]).toEqual([
      ["a", "b"],
      ["b", "a"],
    ]);
    await expectLogits(store, "a", "patterns");
  });

  it("knows no name that was removed", async () => {
    const store = new AdapterStore(session);
    await store.add("a", plain);
    await store.add("b", patterns);
    expect([store.remove("a"), store.remove("a"), store.remove("nobody")]).toEqual([true, false, false]);
    expect([store.names, store.loaded]).toEqual([["b"], ["b"]]);
    for (const act of [() => store.lease("a"), () => store.pin("a")])
      expect(await refusalOf(act)).toMatchObject({
        code: "ADAPTER_NAME_UNKNOWN",
        file: session.file,
        found: '"a"',
        text: expect.stringContaining("wanted one of b"),
      });
    expect(() => {
      store.unpin("a");
    }).toThrow("ADAPTER_NAME_UNKNOWN");
  });

  it("says whether the adapter names its base, and it is the graph's", async () => {
    const store = new AdapterStore(session);
    expect(await store.add("a", patterns)).toEqual({ base: "unknown" });
    const output = path.join(folder, "marked", "model.onnx");
    await compile({ input: graphOf("dynamo"), output, load: [patterns] });
    expect(await store.add("b", adapterFile(output))).toEqual({ base: "same" });
    expect(await store.add("b", adapterFile(output), { force: true })).toEqual({ base: "unknown" });
  });

  it.each([
    ["capacity", { capacity: 0 }, "0"],
    ["capacity", { capacity: NaN }, "NaN"],
    ["capacity", { capacity: 1.5 }, "1.5"],
    ["path", { adapters: { a: "" } }, "an empty one"],
    ["path", { adapters: { a: 3 as never } }, "number"],
    ["name", { adapters: { "": plain } }, "an empty one"],
  ])("refuses a %s in %j", async (option, options, found) => {
    const said = await refusalOf(() => Promise.resolve(new AdapterStore(session, options)));
    expect(said).toMatchObject({ code: "GENERATE_OPTION", found, text: expect.stringContaining(option) });
  });
});

describe("a full store", () => {
  /** A store of some adapters' copies, whose files may be changed. */
  async function storeOf(capacity: number, ...names: readonly ("plain" | "patterns" | "some-layers")[]) {
    const home = path.join(folder, `store-${stores++}`);
    const store = new AdapterStore(session, { capacity });
    for (const name of names) {
      cpSync(path.join(samples, "peft", name), path.join(home, name), { recursive: true });
      await store.add(name, path.join(home, name));
    }
    return { store, home };
  }

  it("drops the one that has not been used for longest, and still knows it", async () => {
    const { store } = await storeOf(2, "plain", "patterns", "some-layers");
    expect(store.names).toEqual(["plain", "patterns", "some-layers"]);
    expect(store.loaded).toEqual(["patterns", "some-layers"]);
    await use(store, "patterns");
    expect(store.loaded).toEqual(["some-layers", "patterns"]);
    await expectLogits(store, "plain");
    expect(store.loaded).toEqual(["patterns", "plain"]);
    await expectLogits(store, "some-layers");
    expect(store.loaded).toEqual(["plain", "some-layers"]);
  });

  it("reads an adapter that was dropped from its file again", async () => {
    const { store, home } = await storeOf(2, "plain", "patterns", "some-layers");
    cpSync(patterns, path.join(home, "plain"), { recursive: true });
    await expectLogits(store, "plain", "patterns");
    expect(store.names).toEqual(["plain", "patterns", "some-layers"]);
  });

  it("stays as it is where the file of a dropped one is gone, until it is there again", async () => {
    const { store, home } = await storeOf(2, "plain", "patterns", "some-layers");
    const before = [store.names, store.loaded];
    rmSync(path.join(home, "plain"), { recursive: true });
    for (const waiting of [store.lease("plain"), store.lease("plain"), store.pin("plain")])
      expect(await refusalOf(() => waiting.then(() => undefined))).toMatchObject({
        code: "FILE_NOT_FOUND",
        file: path.join(home, "plain"),
      });
    expect([store.names, store.loaded]).toEqual(before);
    cpSync(plain, path.join(home, "plain"), { recursive: true });
    await expectLogits(store, "plain");
  });

  it("never drops what is leased, and holds more where all are until a lease ends", async () => {
    const { store } = await storeOf(2, "plain", "patterns", "some-layers");
    const leases = [];
    for (const name of ["plain", "patterns"]) leases.push(await store.lease(name));
    expect(store.loaded).toEqual(["plain", "patterns"]);
    leases.push(await store.lease("some-layers"));
    expect(store.loaded).toEqual(["plain", "patterns", "some-layers"]);
    leases[1]?.release();
    expect(store.loaded).toEqual(["plain", "some-layers"]);
    // A lease that ended does not end that of somebody else.
    leases.push(await store.lease("plain"));
    leases[0]?.release();
    leases[0]?.release();
    await use(store, "patterns");
    expect(store.loaded).toContain("plain");
    for (const lease of leases) lease.release();
    expect(store.loaded).toHaveLength(2);
  });

  it("never drops what is pinned, until it is no more", async () => {
    const { store } = await storeOf(1, "plain", "patterns");
    await store.pin("plain");
    await use(store, "patterns");
    expect(store.loaded).toEqual(["plain"]);
    await store.add("new", someLayers, { pin: true });
    expect(store.loaded).toEqual(["plain", "new"]);
    // A name's pin stays with it.
    await store.add("plain", patterns);
    expect(store.loaded).toEqual(["new", "plain"]);
    store.unpin("new");
    expect(store.loaded).toEqual(["plain"]);
    store.unpin("plain");
    await use(store, "patterns");
    expect(store.loaded).toEqual(["patterns"]);
  });

  it("of one adapter still changes from one to the other", async () => {
    const { store } = await storeOf(1, "plain", "patterns");
    for (const name of ["plain", "patterns", "plain"]) {
      await expectLogits(store, name);
      expect(store.loaded).toEqual([name]);
    }
  });
});

describe("a lease", () => {
  it("keeps what it has when its adapter is replaced, removed or dropped", async () => {
    const store = new AdapterStore(session, { capacity: 1 });
    await store.add("a", plain);
    const want = await bitsWith(session, store, "a");
    const old = await store.lease("a");
    await store.add("a", patterns);
    expect((await bitsOf(session, old.feeds)).equals(want)).toBe(true);
    expect((await bitsWith(session, store, "a")).equals(want)).toBe(false);
    const removed = await store.lease("a");
    const bits = await bitsOf(session, removed.feeds);
    store.remove("a");
    await store.add("b", someLayers);
    expect(store.loaded).toEqual(["b"]);
    expect((await bitsOf(session, removed.feeds)).equals(bits)).toBe(true);
    expect((await bitsOf(session, old.feeds)).equals(want)).toBe(true);
    old.release();
    removed.release();
    expect(store.loaded).toEqual(["b"]);
  });

  it("that was asked for before the name changed is of what the name was", async () => {
    const store = new AdapterStore(session, { adapters: { a: plain } });
    const [waiting, added] = [store.lease("a"), store.add("a", patterns)];
    const [lease] = await Promise.all([waiting, added]);
    const want = recorded("peft/plain/logits.safetensors", "elinor");
    expect(apart(await logitsOf(session, "elinor", lease.feeds), want, "elinor")).toBeLessThan(TOLERANCE);
    await expectLogits(store, "a", "patterns");
    lease.release();
    const last = store.lease("a");
    store.remove("a");
    expect((await last).name).toBe("a");
  });

  it("ends with its signal while it waits, and with it alone", async () => {
    const store = new AdapterStore(session, { adapters: { a: plain } });
    const reason = new Error("enough");
    await expect(store.lease("a", AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(store.loaded).toEqual([]);
    const controller = new AbortController();
    const [aborted, other] = [store.lease("a", controller.signal), store.lease("a")];
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    const lease = await other;
    lease.release();
    expect(store.loaded).toEqual(["a"]);
  });

  it("ends as a block does that uses it", async () => {
    const store = new AdapterStore(session, { capacity: 1, adapters: { a: plain, b: patterns } });
    const lease = await store.lease("a");
    await use(store, "b");
    expect(store.loaded).toEqual(["a"]);
    lease[Symbol.dispose]();
    await use(store, "b");
    expect(store.loaded).toEqual(["b"]);
  });
});

describe("an adapter that is being added", () => {
  it("is not added where its name is removed meanwhile", async () => {
    const store = new AdapterStore(session);
    const adding = store.add("a", plain);
    expect(store.remove("a")).toBe(true);
    expect(await refusalOf(() => adding)).toMatchObject({ code: "ADAPTER_REMOVED", file: plain });
    expect([store.names, store.loaded]).toEqual([[], []]);
  });

  it("is the last one asked for under its name", async () => {
    const store = new AdapterStore(session);
    await Promise.all([store.add("a", plain), store.add("a", patterns)]);
    await expectLogits(store, "a", "patterns");
  });
});

describe("adapters of every format", () => {
  let want: Buffer;
  beforeAll(async () => {
    want = await bitsWith(session, new AdapterStore(session, { adapters: { peft: patterns } }), "peft");
  });

  it.each([
    [
      "what compile wrote with it",
      async (): Promise<string> => {
        const output = path.join(folder, "baked", "model.onnx");
        await compile({ input: graphOf("torchscript"), output, load: [patterns] });
        return adapterFile(output);
      },
    ],
    ["a safetensors file", (): Promise<string> => save(readAdapter(patterns), nextFile(), "safetensors")],
    [
      "an .onnx_adapter file",
      (): Promise<string> => save(readAdapter(patterns), path.join(folder, "p.onnx_adapter"), "onnx_adapter"),
    ],
    [
      "another PEFT folder",
      (): Promise<string> => save(readAdapter(patterns), path.join(folder, "again"), "peft"),
    ],
  ])("give the same bits in one session: %s", async (_, write) => {
    const store = new AdapterStore(session);
    await store.add("other", plain);
    await store.add("same", await write());
    expect((await bitsWith(session, store, "other")).equals(want)).toBe(false);
    expect((await bitsWith(session, store, "same")).equals(want)).toBe(true);
  });

  it("a checkpoint, whose alpha is the same everywhere, too", async () => {
    const file = await save(readAdapter(plain), path.join(folder, "checkpoint_3.pt"), "torch", { step: 3 });
    const store = new AdapterStore(session);
    await store.add("checkpoint", file);
    await expectLogits(store, "checkpoint", "plain");
  });
});
