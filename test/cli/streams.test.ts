import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const model = writeModel(folder, "model.onnx", tinyDecoder());
const root = path.resolve(import.meta.dirname, "../..");

/** Runs a line of shell in which `tfc` is the command. */
function shell(line: string): { status: number | null; stdout: string; stderr: string } {
  const script = `tfc() { "${process.execPath}" "${path.join(root, "bin/tfc.js")}" "$@"; }\n${line}`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script], { cwd: folder, encoding: "utf8" });
  return { status, stdout, stderr };
}

const commands = [
  "--help",
  "compile --help",
  "adapter ls --help",
  "inspect model.onnx",
  "inspect model.onnx --json",
  "explain model.onnx",
  "dump model.onnx",
  "compile model.onnx -o out.onnx",
  "inspect nowhere.onnx --json",
];

describe("a reader that has gone", () => {
  it.each(commands)("ends tfc %s without a word about it", (command) => {
    const { stdout, stderr } = shell(`tfc ${command} 2>err | true; echo $\{PIPESTATUS[0]}; cat err`);
    expect(stderr).toBe("");
    if (command.includes("nowhere"))
      expect(stdout).toMatch(/^1\nnowhere\.onnx: error FILE_NOT_FOUND: .+\n.+\n.+\n$/);
    else expect(stdout).toBe("0\n");
  });
});

(existsSync("/dev/full") ? describe : describe.skip)("a full disk", () => {
  it.each(commands)("behind stdout of tfc %s is an error of its own", (command) => {
    const { status, stderr } = shell(`tfc ${command} >/dev/full`);
    expect(stderr).toMatch(
      /^error STDOUT_NOT_WRITABLE: the result cannot be written to standard output\n {2}found .*ENOSPC.*\n {2}fix: /m,
    );
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(status).toBe(1);
  });

  it("behind stderr changes nothing else", () => {
    const { status, stdout } = shell("tfc inspect nowhere.onnx --json 2>/dev/full");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "FILE_NOT_FOUND" } });
  });
});

describe("--json", () => {
  it.each([
    [["inspect", "nowhere.onnx"], "FILE_NOT_FOUND"],
    [["explain", "nowhere.onnx"], "FILE_NOT_FOUND"],
    [["compile", "nowhere.onnx"], "FILE_NOT_FOUND"],
    [["compile", model, "--adapter", "nothing"], "OPTION_UNKNOWN_VALUE"],
    [["compile", model, "--no-such"], "USAGE"],
    [["compile"], "USAGE"],
    [["nothing"], "USAGE"],
    [["adapter", "nothing"], "USAGE"],
    [["adapter", "ls", "nowhere"], "FILE_NOT_FOUND"],
    [["grow", "nowhere", "-o", "x"], "USAGE"],
  ])("describes the error of %j on stdout, and tells it on stderr", async (args, code) => {
    const { status, stdout, stderr } = await tfcHere(...args, "--json");
    expect(status).toBe(1);
    expect(stdout).toMatch(/^\{.*\}\n$/);
    const { error } = JSON.parse(stdout) as { error: { diagnostics: object[] } };
    expect(error).toEqual({
      kind: "input",
      code,
      diagnostics: [expect.objectContaining({ code })],
      warnings: [],
    });
    expect(stderr).toContain(`error ${code}: `);
  });

  it("gives place, wanted, found and fix apart", async () => {
    const { stdout } = await tfcHere("inspect", "nowhere.onnx", "--json");
    expect(JSON.parse(stdout)).toEqual({
      error: {
        kind: "input",
        code: "FILE_NOT_FOUND",
        diagnostics: [
          {
            code: "FILE_NOT_FOUND",
            severity: "error",
            place: { file: "nowhere.onnx" },
            what: "cannot open nowhere.onnx",
            wanted: "an existing, readable file",
            found: "none at this path",
            fix: "check the path",
          },
        ],
        warnings: [],
      },
    });
  });

  it("prints no second object where a result tells of the failure", async () => {
    const compiled = path.join(folder, "random.onnx");
    expect((await tfcHere("compile", model, "-o", compiled, "--adapter", "lora")).status).toBe(0);
    const other = path.join(folder, "other.onnx");
    expect((await tfcHere("compile", model, "-o", other, "--adapter", "lora", "--seed", "1")).status).toBe(0);
    const files = [compiled, other].map((file) => file.replace(".onnx", ".adapters.safetensors"));
    const { status, stdout, stderr } = await tfcHere("adapter", "diff", ...files, "--json");
    expect(status).toBe(1);
    expect(stdout.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(stdout)).not.toHaveProperty("error");
    expect(stderr).toContain("error ADAPTERS_DIFFER");
  });

  it("stands for nothing behind --", async () => {
    const { status, stdout } = await tfcHere("inspect", "--", "nowhere.onnx", "--json");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  });
});
