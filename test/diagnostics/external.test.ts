import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import { moveOut, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const root = temporaryFolder();
const loraFile = path.join(import.meta.dirname, "../../samples/models/peft/plain");
let count = 0;

/** A model in a folder of its own whose q_proj is external, as the entries say. */
function external(entries: Readonly<Record<string, string>>): {
  folder: string;
  file: string;
  data: Uint8Array;
} {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  const model = tinyDecoder();
  const data = moveOut(model, "q_proj", entries);
  return { folder, file: writeModel(folder, "model.onnx", model), data };
}

describe("external data that is missing", () => {
  it("is an error that names the file and how many tensors need it", async () => {
    const { folder, file } = external({ location: "weights.bin" });
    expect(await refused(folder, "compile", file)).toBe(
      [
        `${file}: error EXTERNAL_DATA_MISSING: the external data file "weights.bin" is missing; 1 tensor needs it`,
        "  wanted the file beside the model, found none",
        "  fix: put what is missing there, or give --allow-missing-weights to work on the graph alone\n",
      ].join("\n"),
    );
  });

  it("is said to lie where the model's link leads, if it does", async () => {
    const { folder, file, data } = external({ location: "weights.bin" });
    const [inside, link] = [path.join(folder, "inside"), path.join(folder, "inside/link.onnx")];
    mkdirSync(inside);
    symlinkSync(file, link);
    expect(await refused(folder, "compile", link)).toContain("  fix: put what is missing there, or give");
    writeFileSync(path.join(folder, "weights.bin"), data);
    expect(await refused(folder, "compile", link)).toContain(
      `fix: the model is a link: give the file that it leads to, ${realpathSync(file)}, or link its weights beside it, too`,
    );
  });

  it("is an error also where a folder has its name", async () => {
    const { folder, file } = external({ location: "weights.bin" });
    mkdirSync(path.join(folder, "weights.bin"));
    expect(await refused(folder, "compile", file)).toContain("EXTERNAL_DATA_MISSING");
  });

  it.each([["merge"], ["adapter", "extract"]])(
    "%s %s needs the weights, and offers no way without",
    async (...words) => {
      const { folder, file } = external({ location: "weights.bin" });
      const output = path.join(folder, "out.onnx");
      const options = words.length === 1 ? ["--load", loraFile, "-o", output] : ["--base", output];
      const message = await refused(folder, ...words, file, ...options);
      expect(message).toContain("error EXTERNAL_DATA_MISSING");
      expect(message).toContain("  fix: put what is missing there\n");
    },
  );

  it("is a warning where only the graph is wanted", async () => {
    const { folder, file } = external({ location: "weights.bin" });
    const compiled = await tfcHere("compile", file, "--allow-missing-weights");
    expect(compiled.status).toBe(0);
    expect(compiled.stderr).toContain("warning EXTERNAL_DATA_ABSENT");
    expect(filesIn(folder)).toContain("model.tfc.onnx");
    const inspected = await tfcHere("inspect", file, "--json");
    expect(JSON.parse(inspected.stdout)).toMatchObject({ matched: { attention: 1, mlp: 1 } });
    expect(inspected.stderr).toContain("warning EXTERNAL_DATA_ABSENT");
  });
});

describe("external data in many files that are missing", () => {
  it.each([
    [2, '2 external data files are missing, the first of them "0.bin"; 2 tensors need them'],
    [1, 'the external data file "0.bin" is missing; 5 tensors need it'],
  ])("is one message for %d", async (files, text) => {
    const folder = path.join(root, String(count++));
    mkdirSync(folder);
    const model = tinyDecoder();
    const names = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"].slice(0, files === 1 ? 5 : files);
    for (const [i, name] of names.entries()) moveOut(model, name, { location: `${i % files}.bin` });
    const file = writeModel(folder, "model.onnx", model);
    expect(await refused(folder, "compile", file)).toContain(`error EXTERNAL_DATA_MISSING: ${text}\n`);
    for (const args of [["inspect"], ["explain"], ["compile", "--allow-missing-weights"]]) {
      const { status, stderr } = await tfcHere(...args, file);
      expect(status).toBe(0);
      expect(stderr).toBe(
        `${file}: warning EXTERNAL_DATA_ABSENT: ${text}, and only the graph was looked at\n`,
      );
    }
  });
});

describe("external data outside the model's folder", () => {
  it.each(["../outside.bin", "sub/../../outside.bin", "/etc/hostname", "..", "."])(
    "%s is refused",
    async (location) => {
      writeFileSync(path.join(root, "outside.bin"), new Uint8Array(1024));
      const { folder, file } = external({ location });
      const message = await refused(folder, "compile", file);
      expect(message).toMatch(
        /error EXTERNAL_PATH_ESCAPES: .*\n {2}at graph\.initializer\[1\] "q_proj"\n {2}wanted a relative path/,
      );
      expect(message).toContain(`found ${JSON.stringify(location)}`);
    },
  );

  it("is refused by a path that leaves the folder and comes back", async () => {
    const { folder, file, data } = external({ location: `../${count}/weights.bin` });
    writeFileSync(path.join(folder, "weights.bin"), data);
    expect(await refused(folder, "compile", file)).toContain("EXTERNAL_PATH_ESCAPES");
  });

  it.each(["compile", "inspect", "dump"])("is refused through a symbolic link by %s", async (command) => {
    const { folder, file, data } = external({ location: "link.bin" });
    writeFileSync(path.join(root, "target.bin"), data);
    symlinkSync("../target.bin", path.join(folder, "link.bin"));
    expect(await refused(folder, command, file)).toContain("EXTERNAL_PATH_ESCAPES");
  });

  it("is refused through a linked folder, and with --allow-missing-weights too", async () => {
    const { folder, file, data } = external({ location: "sub/weights.bin" });
    mkdirSync(path.join(root, `target-${count}`));
    writeFileSync(path.join(root, `target-${count}`, "weights.bin"), data);
    symlinkSync(`../target-${count}`, path.join(folder, "sub"));
    expect(await refused(folder, "compile", file, "--allow-missing-weights")).toContain(
      "EXTERNAL_PATH_ESCAPES",
    );
  });
});

it("a link that stays in the folder, and a file in a sub-folder, are read", async () => {
  const { folder, file, data } = external({ location: "sub/weights.bin" });
  mkdirSync(path.join(folder, "sub"));
  writeFileSync(path.join(folder, "real.bin"), data);
  symlinkSync("../real.bin", path.join(folder, "sub/weights.bin"));
  expect(await tfcHere("compile", file)).toMatchObject({ status: 0, stderr: "" });
});

describe("external data that does not fit", () => {
  it("is refused when shorter than its tensor", async () => {
    const { folder, file, data } = external({ location: "weights.bin" });
    writeFileSync(path.join(folder, "weights.bin"), data.slice(0, 200));
    expect(await refused(folder, "compile", file)).toMatch(
      /error EXTERNAL_DATA_SHORT: .*"weights.bin" is too short.*\n {2}at graph\.initializer\[1\] "q_proj"\n {2}wanted at least 256 bytes, found 200\n/,
    );
  });

  it.each([
    [{ offset: "4" }, "260"],
    [{ offset: "0", length: "1000" }, "1000"],
    [{ length: "8" }, "256"],
  ])("is refused when shorter than %j asks for", async (entries, need) => {
    const { folder, file, data } = external({ location: "weights.bin", ...entries });
    writeFileSync(path.join(folder, "weights.bin"), data.slice(0, 255));
    expect(await refused(folder, "compile", file)).toContain(`wanted at least ${need} bytes, found 255`);
  });

  it.each([
    ["4", /EXTERNAL_DATA_SHORT: .*length.*too short[^]*wanted at least 256 bytes, found 4\n/],
    ["260", /EXTERNAL_DATA_INVALID[^]*260/],
  ])("is refused when its length, %s, is not its tensor's", async (length, wanted) => {
    const { folder, file, data } = external({ location: "weights.bin", length });
    writeFileSync(path.join(folder, "weights.bin"), Buffer.concat([data, data]));
    expect(await refused(folder, "compile", file)).toMatch(wanted);
  });

  it.each([
    ["offset", "many"],
    ["offset", "-8"],
    ["offset", "1e3"],
    ["offset", ""],
    ["length", "0x10"],
    ["length", "99999999999999999999"],
  ])("is refused with %s %j", async (field, value) => {
    const { folder, file, data } = external({ location: "weights.bin", [field]: value });
    writeFileSync(path.join(folder, "weights.bin"), data);
    const message = await refused(folder, "compile", file);
    expect(message).toContain(`error EXTERNAL_DATA_INVALID: a tensor's external data has a bad ${field}`);
    expect(message).toContain(`wanted a non-negative integer, found ${JSON.stringify(value)}`);
    expect(message).toContain('at graph.initializer[1] "q_proj"');
  });

  it.each([{}, { location: "" }])("is refused without a location: %j", async (entries) => {
    const { folder, file } = external(entries);
    expect(await refused(folder, "compile", file)).toContain("wanted a file name");
  });
});
