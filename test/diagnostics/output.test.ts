import { copyFileSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../compiler/compile/compile.ts";
import { adviceOfLinks } from "../../compiler/compile/place-weights.ts";
import { OutputFiles } from "../../compiler/onnx/output.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { moveOut, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const root = temporaryFolder();
let count = 0;

/** A folder with a model whose q_proj lies in weights.bin, and the rest inline. */
function fresh(name = "model.onnx"): { folder: string; file: string; at: (name: string) => string } {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  const model = tinyDecoder();
  writeFileSync(path.join(folder, "weights.bin"), moveOut(model, "q_proj", { location: "weights.bin" }));
  return { folder, file: writeModel(folder, name, model), at: (other) => path.join(folder, other) };
}

describe("an output that is the input", () => {
  it("by its own name is refused", async () => {
    const { folder, file } = fresh();
    const bytes = readFileSync(file);
    expect(await refused(folder, "compile", file, "-o", file)).toBe(
      [
        `${file}: error OUTPUT_IS_INPUT: the output would overwrite an input file`,
        `  wanted an output path that no input uses, found ${file}`,
        "  fix: choose another -o\n",
      ].join("\n"),
    );
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it.each<[string, (at: (name: string) => string) => string]>([
    ["a relative path", (at) => path.relative(process.cwd(), at("model.onnx"))],
    ["a path with ..", (at) => `${at("sub")}/../model.onnx`],
    ["a symbolic link", (at) => (symlinkSync("model.onnx", at("soft.onnx")), at("soft.onnx"))],
    ["a hard link", (at) => (linkSync(at("model.onnx"), at("hard.onnx")), at("hard.onnx"))],
    ["a linked folder", (at) => (symlinkSync(".", at("here")), at("here/model.onnx"))],
    ["its external data", (at) => at("weights.bin")],
    ["a link to its external data", (at) => (symlinkSync("weights.bin", at("w.onnx")), at("w.onnx"))],
    ["a hard link to its external data", (at) => (linkSync(at("weights.bin"), at("h.onnx")), at("h.onnx"))],
  ])("by %s is refused", async (_, name) => {
    const { folder, file, at } = fresh();
    const output = name(at);
    const before = ["model.onnx", "weights.bin"].map((one) => readFileSync(at(one)));
    expect(await refused(folder, "compile", file, "-o", output)).toContain("error OUTPUT_IS_INPUT");
    expect(["model.onnx", "weights.bin"].map((one) => readFileSync(at(one)))).toEqual(before);
  });

  it("by the path of the adapters is refused", async () => {
    const { folder, file, at } = fresh("out.adapters.safetensors");
    const message = await refused(folder, "compile", file, "-o", at("out.onnx"));
    expect(message).toContain(`found ${at("out.adapters.safetensors")}`);
  });

  it("by a link at the path of the adapters is refused", async () => {
    const { folder, file, at } = fresh();
    linkSync(at("weights.bin"), at("out.adapters.safetensors"));
    expect(await refused(folder, "compile", file, "-o", at("out.onnx"))).toContain("error OUTPUT_IS_INPUT");
  });

  it.each(["link", "copy"])("by where its weights would go is refused (--weights %s)", async (mode) => {
    const folder = path.join(root, `outer-${mode}`);
    mkdirSync(path.join(folder, "out.base"), { recursive: true });
    const model = tinyDecoder();
    const data = moveOut(model, "q_proj", { location: "weights.bin" });
    writeFileSync(path.join(folder, "out.base/weights.bin"), data);
    const file = writeModel(path.join(folder, "out.base"), "model.onnx", model);
    const output = path.join(folder, "out.onnx");
    const message = await refused(folder, "compile", file, "-o", output, "--weights", mode);
    expect(message).toContain("error OUTPUT_IS_INPUT");
    expect(message).toContain(path.join(folder, "out.base/weights.bin"));
  });
});

describe("an output that cannot be written", () => {
  it("in a folder that is a file", async () => {
    const { folder, file, at } = fresh();
    writeFileSync(at("plain"), "");
    for (const output of [at("plain/out.onnx"), at("plain/deeper/out.onnx")]) {
      const message = await refused(folder, "compile", file, "-o", output);
      expect(message).toContain(`${output}: error FILE_NOT_WRITABLE: cannot write ${output}\n`);
      expect(message).toContain("fix: choose another -o, or make the folder writable");
    }
  });

  it.each(["out.onnx", "out.adapters.safetensors", "out.base/weights.bin"])(
    "where a folder is in the place of %s",
    async (taken) => {
      const { file } = fresh();
      const folder = path.join(root, `taken-${count}`);
      mkdirSync(path.join(folder, taken), { recursive: true });
      const message = await refused(folder, "compile", file, "-o", path.join(folder, "out.onnx"));
      expect(message).toContain(`cannot write ${path.join(folder, taken)}\n  found a folder of this name`);
    },
  );

  it("by a folder's name", async () => {
    const { folder, file } = fresh();
    const output = path.join(folder, "new") + "/";
    const message = await refused(folder, "compile", file, "-o", output);
    expect(message).toContain(`cannot write ${output}\n  found the name of a folder`);
  });

  it("in a folder that the system does not give", async () => {
    const { folder, file } = fresh();
    const message = await refused(folder, "compile", file, "-o", "/proc/nowhere/out.onnx");
    expect(message).toContain("error FILE_NOT_WRITABLE: cannot write /proc/nowhere/out.onnx");
  });

  it("in the place of a device", async () => {
    const { folder, file } = fresh();
    const message = await refused(folder, "compile", file, "-o", "/dev/null");
    expect(message).toContain("something of this name that is no regular file");
  });

  it("by a name too long for the file system", async () => {
    const { folder, file, at } = fresh();
    expect(await refused(folder, "compile", file, "-o", at(`${"x".repeat(300)}.onnx`))).toContain(
      "ENAMETOOLONG",
    );
  });

  it("where an empty path is given", async () => {
    const { folder, file } = fresh();
    expect(await refused(folder, "compile", file, "-o", "")).toContain("error FILE_NOT_WRITABLE");
  });
});

describe("a disk that is full", () => {
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    syscall: "write",
  });

  it("is an error, and leaves nothing: neither folder nor temporary file", async () => {
    const { folder, file, at } = fresh();
    const before = filesIn(folder);
    const progress = (): void => {
      throw full;
    };
    const compiling = compile({ input: file, output: at("new/deep/out.onnx"), weights: "inline", progress });
    await expect(compiling).rejects.toMatchObject({
      code: "FILE_NOT_WRITABLE",
      kind: "input",
      diagnostics: [{ place: { file: at("new/deep/out.onnx") }, found: full.message }],
    });
    expect(filesIn(folder)).toEqual(before);
  });

  const LINK = "`weights: link` copies none of the base's weights here";
  it.each<[string, Partial<CompileOptions>, string | null]>([
    ["out.onnx", { weights: "inline" }, LINK],
    ["out.quantized.safetensors", { weights: "inline", quantize: "int4" }, null],
    ["out.quantized.safetensors", { weights: "copy", quantize: "int4" }, LINK],
    ["out.quantized.safetensors", { weights: "link", quantize: "int4" }, null],
    ["out.weights.safetensors", { weights: "copy", dtype: "fp16" }, null],
  ])("while %s is written with %j speaks of links only where they help", async (name, options, link) => {
    const { at } = fresh();
    for (const file of ["model.onnx", "model.onnx.data"])
      copyFileSync(`samples/models/austen-llama/dynamo/${file}`, at(file));
    const files = { input: at("model.onnx"), output: at("new/out.onnx") };
    const progress = (written: string): void => {
      if (path.basename(written) === name) throw full;
    };
    const fix = `free space on the disk, or choose an \`output\` on another${link === null ? "" : `; ${link}`}`;
    await expect(compile({ ...files, progress, ...options })).rejects.toMatchObject({
      diagnostics: [{ place: { file: at(`new/${name}`) }, fix }],
    });
  });

  it.each<[string, "link" | "copy", string | null]>([
    ["/proc", "copy", "on the base's own disk `weights: link` copies no weights"],
    ["/proc", "link", "on the base's own disk `weights: link` copies no weights"],
    [".", "copy", LINK],
    [".", "link", null],
  ])("speaks of links into %s with %s by what the disks can", (to, mode, advice) => {
    const { file, folder } = fresh();
    expect(adviceOfLinks(file, path.resolve(folder, to, "out.onnx"), mode)).toBe(advice);
  });

  it("leaves the outputs of an earlier run as they were", async () => {
    const { folder, file, at } = fresh();
    await compile({ input: file, output: at("out.onnx") });
    const before = filesIn(folder).map((name) => [name, readFileSync(at(name))]);
    const script = path.resolve(import.meta.dirname, "../../bin/tfc.js");
    // A limit on the size of files, in blocks of 512 or 1024 bytes: the adapters go in, the graph does not.
    const command = `ulimit -f 20 && exec "$0" "$1" compile "$2" -o "$3" --seed 1 --rank 2 --weights inline`;
    const big = { ...tinyDecoder(), docString: "x".repeat(100_000) };
    const input = writeModel(root, "big.onnx", big);
    const run = spawnSync("sh", ["-c", command, process.execPath, script, input, at("out.onnx")], {
      encoding: "utf8",
    });
    expect(run.stderr).toMatch(/error FILE_NOT_WRITABLE: cannot write .*out\.onnx\n {2}found EFBIG/);
    expect(run.status).toBe(1);
    expect(filesIn(folder).map((name) => [name, readFileSync(at(name))])).toEqual(before);
  });
});

describe("OutputFiles", () => {
  it("asks for the space before it writes", () => {
    const files = new OutputFiles();
    expect(() => {
      files.prepare(path.join(root, "large/file"), 2 ** 62);
    }).toThrow(
      /[kMG]B to write and [\d.]+ [kMG]B free on the disk\n {2}fix: free that much on the disk, or choose an `output` on another$/m,
    );
    files.discard();
    expect(filesIn(root)).not.toContain("large");
  });

  it("takes back what it has put in place when the rest cannot follow", async () => {
    const { folder, at } = fresh();
    writeFileSync(at("first"), "old");
    const files = new OutputFiles();
    for (const name of ["first", "second", "third"]) {
      await files.stage(at(name), (temporary) => {
        writeFileSync(temporary, "new");
      });
    }
    mkdirSync(at("third"));
    await expect(files.commit()).rejects.toThrow("a folder of this name");
    files.discard();
    expect(readFileSync(at("first"), "utf8")).toBe("old");
    expect(filesIn(folder)).toEqual(["first", "model.onnx", "third", "weights.bin"]);
  });

  it("replaces files, and leaves no trace of how", async () => {
    const { folder, at } = fresh();
    writeFileSync(at("first"), "old");
    const files = new OutputFiles();
    await files.stage(at("first"), (temporary) => {
      writeFileSync(temporary, "new");
    });
    await files.commit();
    expect(readFileSync(at("first"), "utf8")).toBe("new");
    expect(filesIn(folder)).toEqual(["first", "model.onnx", "weights.bin"]);
  });

  it("passes on what is no failure of the file system", async () => {
    const files = new OutputFiles();
    const bug = new TypeError("a bug");
    const staging = files.stage(path.join(root, "bug"), () => {
      throw bug;
    });
    await expect(staging).rejects.toBe(bug);
    files.discard();
    expect(filesIn(root)).not.toContain("bug");
  });
});
