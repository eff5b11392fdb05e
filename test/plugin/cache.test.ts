import { expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { build, filesIn, run, writer } from "./app.ts";

const cacheOf = (root: string): string => path.join(root, "node_modules/.cache/tfc");

/** Entries, without records of imports. */
function entriesOf(root: string): readonly string[] {
  return readdirSync(cacheOf(root)).filter((name) => name !== "imports");
}

/** When an entry was written: it is not written again. */
function madeAt(root: string): readonly number[] {
  return entriesOf(root).map((name) => statSync(path.join(cacheOf(root), name, "entry.json")).mtimeMs);
}

test("a second build does no work, also where only times have changed; other options and contents do", () => {
  const root = writer();
  expect(build("rollup", root)).toMatchObject({ status: 0 });
  const first = madeAt(root);
  expect(first).toHaveLength(1);
  expect(build("esbuild", root)).toMatchObject({ status: 0 });
  const model = path.join(root, "model/dynamo/model.onnx");
  utimesSync(model, new Date(), new Date());
  expect(build("rollup", root)).toMatchObject({ status: 0 });
  expect(madeAt(root)).toEqual(first);
  const main = path.join(root, "main.js");
  writeFileSync(main, readFileSync(main, "utf8").replace("rank=4", "rank=2"));
  expect(build("rollup", root)).toMatchObject({ status: 0 });
  expect(madeAt(root)).toHaveLength(2);
  // A field that readers do not know: another content, and the same model.
  appendFileSync(model, Buffer.from([0xfa, 0x3f, 0x01, 0x78]));
  expect(build("rollup", root)).toMatchObject({ status: 0 });
  expect(madeAt(root)).toHaveLength(3);
  expect(run(root)).toMatchObject({ slots: 12 });
});

test.each([
  [
    "a graph that was cut",
    (entry: string) => {
      truncateSync(fileIn(entry, ".onnx"), 1000);
    },
  ],
  [
    "a file that is gone",
    (entry: string) => {
      rmSync(fileIn(entry, ".onnx.data"));
    },
  ],
  [
    "a byte that is another",
    (entry: string) => {
      change(fileIn(entry, ".text.json"));
    },
  ],
  [
    "a record that is no JSON",
    (entry: string) => {
      writeFileSync(path.join(entry, "entry.json"), "{");
    },
  ],
  [
    "a record of another content, which is JSON all the same",
    (entry: string) => {
      const file = path.join(entry, "entry.json");
      const text = readFileSync(file, "utf8");
      writeFileSync(file, text.replaceAll('"input_ids"', '"input_idz"'));
    },
  ],
  [
    "an import's record that names another place to run",
    (entry: string) => {
      const folder = path.join(entry, "../imports");
      const [name = ""] = readdirSync(folder);
      const text = readFileSync(path.join(folder, name), "utf8");
      expect(text).toContain('"target":null');
      writeFileSync(path.join(folder, name), text.replace('"target":null', '"target":"browzer"'));
    },
  ],
])("an entry with %s is made anew", (_, breakIt) => {
  const root = writer();
  expect(build("esbuild", root)).toMatchObject({ status: 0 });
  const [name = ""] = entriesOf(root);
  const entry = path.join(cacheOf(root), name);
  const before = filesIn(entry);
  breakIt(entry);
  expect(build("esbuild", root)).toMatchObject({ status: 0 });
  expect(filesIn(entry)).toEqual(before);
  expect(run(root)).toMatchObject({ slots: 12 });
});

test("two builds at once share a cache, and one that is killed leaves nothing to the next", async () => {
  const root = writer();
  const started = (out: string): Promise<number | null> => {
    const settings = JSON.stringify({ root, out: path.join(root, out) });
    const child = spawn(process.execPath, [
      path.join(import.meta.dirname, "build-app.mjs"),
      "esbuild",
      settings,
    ]);
    if (out === "killed") {
      // As soon as something is being made, with the process that makes it.
      const look = setInterval(() => {
        const names = existsSync(cacheOf(root)) ? entriesOf(root) : [];
        const pid = names.map((name) => /^\.making-(\d+)-/.exec(name)?.[1]).find((one) => one !== undefined);
        if (pid === undefined) return;
        clearInterval(look);
        process.kill(Number(pid), "SIGKILL");
        child.kill("SIGKILL");
      }, 2);
      child.on("exit", () => {
        clearInterval(look);
      });
    }
    return new Promise((resolve) => child.on("exit", resolve));
  };
  expect(await started("killed")).toBeNull();
  expect(entriesOf(root)).toEqual([expect.stringMatching(/^\.making-/)]);
  expect(await Promise.all([started("one"), started("two")])).toEqual([0, 0]);
  expect(entriesOf(root)).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
  expect(run(root, "one/main.js")).toEqual(run(root, "two/main.js"));
  expect(run(root, "one/main.js")).toMatchObject({ slots: 12 });
});

function fileIn(entry: string, end: string): string {
  const found = filesIn(entry).find((name) => name.endsWith(end)) ?? end;
  return path.join(entry, found);
}

function change(file: string): void {
  const bytes = readFileSync(file);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}
