import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { OutputFiles } from "../../compiler/onnx/output.ts";
import { newToken } from "../../compiler/onnx/output/owner.ts";
import { openSession } from "../../runtime/session/session.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { moveOut, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const root = temporaryFolder();
let count = 0;

/** A folder with a model whose q_proj lies in weights.bin. */
function fresh(): { folder: string; file: string; at: (name: string) => string } {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  const model = tinyDecoder();
  writeFileSync(path.join(folder, "weights.bin"), moveOut(model, "q_proj", { location: "weights.bin" }));
  return { folder, file: writeModel(folder, "model.onnx", model), at: (name) => path.join(folder, name) };
}

/** The weights of a compiled graph, by name. */
function weightsOf(file: string): ReadonlyMap<string, string> {
  const { initializers } = importModel(file).model.graph;
  return new Map(
    [...initializers].map((v) => [v.name ?? "", Buffer.from(v.constant?.bytes() ?? []).toString("base64")]),
  );
}

describe("writers of one output", () => {
  it("in one process wait for each other, and leave what one of them wrote", async () => {
    const { folder, file, at } = fresh();
    const seeds = [1, 2, 3, 4, 5];
    const alone = new Set<string>();
    for (const seed of seeds) {
      await compile({ input: file, output: at(`alone-${seed}.onnx`), seed });
      alone.add(JSON.stringify([...weightsOf(at(`alone-${seed}.onnx`))]));
    }
    const before = filesIn(folder);
    const done = seeds.map(async (seed) => {
      const { files } = await compile({ input: file, output: at("m.onnx"), seed });
      for (const one of files) expect(statSync(one).size).toBeGreaterThan(0);
    });
    await Promise.all(done);
    expect(alone.size).toBe(seeds.length);
    expect(alone).toContain(JSON.stringify([...weightsOf(at("m.onnx"))]));
    expect(filesIn(folder)).toEqual([...before, "m.adapters.safetensors", "m.onnx"].sort());
  });

  it("wait while one that runs elsewhere holds the output, and not for one that is gone", async () => {
    const { file, at } = fresh();
    const lock = at(".m.onnx.lock");
    // Another container: neither its processes nor their numbers are seen from here.
    writeFileSync(lock, `00000000-${process.pid}-1-${"0".repeat(12)}`);
    let done = false;
    const compiling = compile({ input: file, output: at("m.onnx") }).then(() => (done = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(done).toBe(false);
    const before = new Date(Date.now() - 3_600_000);
    utimesSync(lock, before, before);
    await compiling;
    // One of this machine whose process has ended.
    writeFileSync(lock, newToken().replace(`-${process.pid}-`, "-2147483646-"));
    await compile({ input: file, output: at("m.onnx"), seed: 2 });
    expect(filesIn(path.dirname(file)).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

describe("temporary files that a killed run has left", () => {
  it("go with the next run, and those of a run that lives stay", async () => {
    const { folder, file, at } = fresh();
    const dead = newToken().replace(`-${process.pid}-`, "-2147483646-");
    const again = newToken().replace(/^(\w+-\d+)-\w+-/, "$1-1-");
    const elsewhere = `00000000-1-1-${"0".repeat(12)}`;
    const alive = newToken();
    for (const token of [dead, again, elsewhere, alive]) writeFileSync(at(`.m.onnx.${token}.tmp`), "x");
    writeFileSync(at(".m.onnx.mine.tmp"), "x");
    await compile({ input: file, output: at("m.onnx") });
    const kept = (): string[] => filesIn(folder).filter((name) => name.startsWith("."));
    expect(kept()).toEqual([elsewhere, alive, "mine"].map((token) => `.m.onnx.${token}.tmp`).sort());
    const before = new Date(Date.now() - 3 * 24 * 3_600_000);
    utimesSync(at(`.m.onnx.${elsewhere}.tmp`), before, before);
    await compile({ input: file, output: at("m.onnx") });
    expect(kept()).toEqual([alive, "mine"].map((token) => `.m.onnx.${token}.tmp`).sort());
  });
});

describe("an interruption", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("by %s takes the temporary files away", async (signal) => {
    const { folder, file, at } = fresh();
    const before = filesIn(folder);
    const support = path.resolve(import.meta.dirname, "../support/held-while-writing.mjs");
    const script = path.resolve(import.meta.dirname, "../../bin/tfc.js");
    const args = ["--import", pathToFileURL(support).href, script, "compile", file, "-o", at("out/m.onnx")];
    const child = spawn(process.execPath, [...args, "--weights", "copy"], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    const ended = once(child, "close");
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    expect(said.toString()).toBe("held\n");
    expect(filesIn(folder).filter((name) => name.endsWith(".tmp"))).not.toEqual([]);
    child.kill(signal);
    child.stdin.end();
    expect(await ended).toEqual([null, signal]);
    expect(filesIn(folder)).toEqual(before);
  });
});

describe("a base that changes while it is compiled", () => {
  it.each(["weights.bin", "model.onnx"])("is refused, and nothing is written (%s)", async (changing) => {
    const { folder, file, at } = fresh();
    await compile({ input: file, output: at("m.onnx") });
    const before = filesIn(folder).map((name) => [name, readFileSync(at(name)).length]);
    const afterPass = (): void => {
      if (readFileSync(at(changing)).at(-1) === 0x7f) return;
      appendFileSync(at(changing), Uint8Array.of(0x7f));
    };
    await expect(compile({ input: file, output: at("m.onnx"), seed: 9, afterPass })).rejects.toMatchObject({
      code: "INPUT_CHANGED",
      kind: "input",
      diagnostics: [{ place: { file: at(changing) } }],
    });
    const now = filesIn(folder).map((name) => [name, readFileSync(at(name)).length]);
    const grown = before.map(([name, size]) => [name, name === changing ? Number(size) + 1 : size]);
    expect(now).toEqual(grown);
  });
});

describe("the cache of Hugging Face", () => {
  /** snapshots/main/model.onnx and its data as links into blobs/. */
  function cache(): { file: string; at: (name: string) => string } {
    const folder = path.join(root, `hub-${count++}`);
    const at = (name: string): string => path.join(folder, name);
    for (const one of ["blobs", "snapshots/main"]) mkdirSync(at(one), { recursive: true });
    const model = tinyDecoder();
    writeFileSync(at("blobs/b2"), moveOut(model, "q_proj", { location: "model.onnx_data" }));
    writeModel(at("blobs"), "b1", model);
    symlinkSync("../../blobs/b1", at("snapshots/main/model.onnx"));
    symlinkSync("../../blobs/b2", at("snapshots/main/model.onnx_data"));
    return { file: at("snapshots/main/model.onnx"), at };
  }

  it("is read, and a model compiled beside the snapshot has its own copy", async () => {
    const { file, at } = cache();
    const { output, files } = await compile({ input: file });
    expect(output).toBe(at("snapshots/main/model.tfc.onnx"));
    expect(files).toContain(at("snapshots/main/model.tfc.base/model.onnx_data"));
    expect(statSync(at("blobs/b2")).nlink).toBe(1);
    await (await openSession(output, { threads: 1 })).close();
    await compile({ input: file, output: at("elsewhere/m.onnx") });
    await (await openSession(at("elsewhere/m.onnx"), { threads: 1 })).close();
  });

  it("does not open the way to other folders", async () => {
    const { file, at } = cache();
    writeFileSync(at("secret"), readFileSync(at("blobs/b2")));
    const folder = path.dirname(file);
    const model = tinyDecoder();
    moveOut(model, "q_proj", { location: "link" });
    writeModel(at("blobs"), "b1", model);
    symlinkSync("../../secret", path.join(folder, "link"));
    expect(await refused(folder, "compile", file)).toContain("error EXTERNAL_PATH_ESCAPES");
  });
});

describe("--weights link to another disk", () => {
  it("says that it copied", async () => {
    const { file } = fresh();
    const folder = "/dev/shm";
    if (
      statSync(folder, { throwIfNoEntry: false })?.dev === undefined ||
      statSync(folder).dev === statSync(root).dev
    )
      return;
    const out = mkdtempSync(path.join(folder, "tfc-"));
    try {
      const report = await compile({ input: file, output: path.join(out, "m.onnx"), weights: "link" });
      expect(report.diagnostics).toMatchObject([{ code: "WEIGHTS_NOT_LINKED", severity: "note" }]);
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});

describe("OutputFiles", () => {
  it("asks for the space of all copies before the first", async () => {
    const { at } = fresh();
    const { bavail, bsize } = statfsSync(root);
    // Files of holes: together more than the disk has, each less.
    const size = Math.min(Math.ceil((bavail * bsize * 2) / 3), 2 ** 43);
    for (const name of ["a", "b"]) {
      writeFileSync(at(name), "");
      truncateSync(at(name), size);
    }
    if (2 * size <= bavail * bsize) return;
    const files = new OutputFiles(at("m.onnx"));
    const pairs = ["a", "b"].map((name) => [at(name), at(`out/${name}`)] as const);
    await expect(files.copy(pairs)).rejects.toMatchObject({
      code: "FILE_NOT_WRITABLE",
      diagnostics: [{ found: expect.stringMatching(/[kMG]B to write and [\d.]+ [kMG]B free/) as unknown }],
    });
    files.discard();
    expect(filesIn(path.dirname(at("a")))).toEqual(["a", "b", "model.onnx", "weights.bin"]);
  });
});
