import { cpSync, rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { adapterFile, compile } from "../../../compiler/compile/compile.ts";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import { AdapterPool } from "../../../runtime/adapters/pool.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { apart, logitsOf, recorded, samples, TOLERANCE } from "../../models/adapted/logits.ts";
import { refusal, save } from "../../support/adapters.ts";
import { graphOf } from "../oracle.ts";
import { all, bitsOf, folder, nextFile, patterns, plain, someLayers, withInputs } from "./pool-graph.ts";

let session: Session;
let pools = 0;
let compiled: string;
beforeAll(async () => {
  compiled = await withInputs("lora", all, { rank: 2 });
  session = await openSession(compiled, { threads: 1 });
});
afterAll(() => session.close());

describe("an adapter pool", () => {
  it("gives an adapter's numbers bit for bit whenever it is active, and the base's when none is", async () => {
    const base = await openSession(graphOf("dynamo"), { threads: 1 });
    const none = await bitsOf(base);
    await base.close();
    const pool = new AdapterPool(session);
    expect(pool.active).toBeNull();
    expect((await bitsOf(session, pool.feeds)).equals(none)).toBe(true);
    const seen = new Map<string | null, Buffer>([[null, none]]);
    for (const [name, from] of [
      ["a", patterns],
      ["b", plain],
      ["c", someLayers],
    ] as const) {
      pool.load(name, from);
    }
    for (const name of ["a", "b", "a", null, "c", "a", "c", "b", null]) {
      pool.activate(name);
      expect(pool.active).toBe(name);
      const bits = await bitsOf(session, pool.feeds);
      const before = seen.get(name);
      if (before !== undefined) expect(bits.equals(before)).toBe(true);
      for (const [other, others] of seen) if (other !== name) expect(bits.equals(others)).toBe(false);
      seen.set(name, bits);
    }
    expect(seen.size).toBe(4);
  });

  it("loads nothing by being made, and activates nothing by loading", () => {
    const pool = new AdapterPool(session);
    expect([pool.names, pool.loaded, pool.active]).toEqual([[], [], null]);
    const none = pool.feeds;
    pool.load("a", plain);
    expect([pool.names, pool.loaded, pool.active]).toEqual([["a"], ["a"], null]);
    expect(pool.feeds).toBe(none);
  });

  it("replaces an adapter that is loaded under a name it knows, also while it is active", async () => {
    const pool = new AdapterPool(session);
    pool.load("a", plain);
    pool.activate("a");
    pool.load("a", patterns);
    expect([pool.names, pool.loaded, pool.active]).toEqual([["a"], ["a"], "a"]);
    const want = recorded("peft/patterns/logits.safetensors", "elinor");
    expect(apart(await logitsOf(session, "elinor", pool.feeds), want, "elinor")).toBeLessThan(TOLERANCE);
  });

  it("forgets what is unloaded, and runs the base where it was active", () => {
    const pool = new AdapterPool(session);
    const none = pool.feeds;
    pool.load("a", plain);
    pool.load("b", patterns);
    pool.activate("a");
    pool.unload("a");
    expect([pool.names, pool.loaded, pool.active]).toEqual([["b"], ["b"], null]);
    expect(pool.feeds).toBe(none);
    expect(
      refusal(() => {
        pool.activate("a");
      }),
    ).toMatchObject({ code: "ADAPTER_NAME_UNKNOWN", found: '"a"' });
    pool.unload("nobody");
    expect(pool.names).toEqual(["b"]);
  });
});

describe("a full pool", () => {
  /** A pool of some adapters' copies, whose files may be changed. */
  function poolOf(capacity: number, ...names: readonly ("plain" | "patterns" | "some-layers")[]) {
    const home = path.join(folder, `pool-${pools++}`);
    const pool = new AdapterPool(session, { capacity });
    for (const name of names) {
      cpSync(path.join(samples, "peft", name), path.join(home, name), { recursive: true });
      pool.load(name, path.join(home, name));
    }
    return { pool, home };
  }

  async function expectLogits(pool: AdapterPool, name: string): Promise<void> {
    const want = recorded(`peft/${name}/logits.safetensors`, "elinor");
    expect(apart(await logitsOf(session, "elinor", pool.feeds), want, "elinor")).toBeLessThan(TOLERANCE);
  }

  it("drops the one that has not been used for longest, and still knows it", async () => {
    const { pool } = poolOf(2, "plain", "patterns", "some-layers");
    expect(pool.names).toEqual(["plain", "patterns", "some-layers"]);
    expect(pool.loaded).toEqual(["patterns", "some-layers"]);
    pool.activate("patterns");
    expect(pool.loaded).toEqual(["some-layers", "patterns"]);
    pool.activate("plain");
    expect(pool.loaded).toEqual(["patterns", "plain"]);
    await expectLogits(pool, "plain");
    pool.activate("some-layers");
    expect(pool.loaded).toEqual(["plain", "some-layers"]);
    await expectLogits(pool, "some-layers");
  });

  it("reads an adapter that was dropped from its file again", async () => {
    const { pool, home } = poolOf(2, "plain", "patterns", "some-layers");
    cpSync(patterns, path.join(home, "plain"), { recursive: true });
    pool.activate("plain");
    await expectLogits(pool, "patterns");
    expect(pool.names).toEqual(["plain", "patterns", "some-layers"]);
  });

  it("stays as it is where the file of a dropped one is gone", async () => {
    const { pool, home } = poolOf(2, "plain", "patterns", "some-layers");
    pool.activate("patterns");
    const before = [pool.names, pool.loaded, pool.active, pool.feeds];
    rmSync(path.join(home, "plain"), { recursive: true });
    expect(
      refusal(() => {
        pool.activate("plain");
      }),
    ).toMatchObject({
      code: "FILE_NOT_FOUND",
      file: path.join(home, "plain"),
    });
    expect([pool.names, pool.loaded, pool.active, pool.feeds]).toEqual(before);
    await expectLogits(pool, "patterns");
  });

  it("never drops the active one", async () => {
    const { pool, home } = poolOf(2, "plain", "patterns");
    pool.activate("plain");
    pool.load("x", path.join(home, "patterns"));
    pool.load("y", path.join(home, "patterns"));
    expect(pool.loaded).toEqual(["plain", "y"]);
    await expectLogits(pool, "plain");
  });

  it("of one adapter still changes from one to the other", async () => {
    const { pool } = poolOf(1, "plain", "patterns");
    for (const name of ["plain", "patterns", "plain"]) {
      pool.activate(name);
      expect([pool.active, pool.loaded]).toEqual([name, [name]]);
      await expectLogits(pool, name);
    }
  });

  it("of no place at all has one", () => {
    const { pool } = poolOf(0, "plain", "patterns");
    expect(pool.loaded).toEqual(["patterns"]);
  });
});

describe("adapters of every format", () => {
  let want: Buffer;
  const peft = (): Buffer => want;
  beforeAll(async () => {
    const pool = new AdapterPool(session);
    pool.load("peft", patterns);
    pool.activate("peft");
    want = await bitsOf(session, pool.feeds);
    const logits = recorded("peft/patterns/logits.safetensors", "elinor");
    expect(apart(await logitsOf(session, "elinor", pool.feeds), logits, "elinor")).toBeLessThan(TOLERANCE);
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
    const pool = new AdapterPool(session);
    pool.load("other", plain);
    pool.load("same", await write());
    pool.activate("other");
    expect((await bitsOf(session, pool.feeds)).equals(peft())).toBe(false);
    pool.activate("same");
    expect((await bitsOf(session, pool.feeds)).equals(peft())).toBe(true);
  });

  it("a checkpoint, whose alpha is the same everywhere, too", async () => {
    const file = await save(readAdapter(plain), path.join(folder, "checkpoint_3.pt"), "torch", { step: 3 });
    const pool = new AdapterPool(session);
    pool.load("checkpoint", file);
    pool.activate("checkpoint");
    const logits = recorded("peft/plain/logits.safetensors", "elinor");
    expect(apart(await logitsOf(session, "elinor", pool.feeds), logits, "elinor")).toBeLessThan(TOLERANCE);
  });
});
