import { cpSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** An installed package of its own: others run the one of this checkout meanwhile. */
let installed: string;
let count = 0;
const folder = temporaryFolder();
const inPackage = (...names: string[]): string => path.join(installed, ...names);
const codes = (): string => inPackage("dist/cli/code", `${process.version}-${process.arch}`);
const code = (command: string): string => path.join(codes(), command);

beforeEach(() => {
  installed = path.join(folder, `${count++}`);
  cpSync(path.join(root, "bin"), inPackage("bin"), { recursive: true });
  for (const file of ["package.json", "dist/cli/main.cjs", "dist/cli/import-url.cjs"])
    cpSync(path.join(root, file), inPackage(file));
  symlinkSync(path.join(root, "node_modules"), inPackage("node_modules"));
});

function tfc(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [inPackage("bin/tfc.js"), ...args], {
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("the command line's compiled code", () => {
  it("is kept by the first run of a command, and used by the next", () => {
    const first = tfc("completion", "bash");
    expect(first).toMatchObject({ status: 0, stderr: "" });
    const { mtimeMs, size } = statSync(code("completion"));
    expect(size).toBeGreaterThan(10_000);
    expect(tfc("completion", "bash")).toEqual(first);
    expect(statSync(code("completion")).mtimeMs).toBe(mtimeMs);
    expect(readdirSync(codes())).toEqual(["completion"]);
  });

  it("is not kept of help, nor of what fails", () => {
    expect(tfc("compile", "--help").status).toBe(0);
    expect(tfc("complie").status).toBe(1);
    expect(tfc("inspect", "missing.onnx").status).toBe(1);
    expect(readdirSync(codes())).toEqual([]);
  });

  it.each([
    ["cut off", (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
    ["empty", () => Buffer.alloc(0)],
    ["changed", (bytes: Buffer) => bytes.fill(0x5a, bytes.length >> 1, (bytes.length >> 1) + 64)],
    ["of something else", () => Buffer.from("not code".repeat(100))],
  ])("is made anew where it is %s", (_, damage) => {
    const first = tfc("completion", "zsh");
    const damaged = damage(readFileSync(code("completion")));
    writeFileSync(code("completion"), damaged);
    expect(tfc("completion", "zsh")).toEqual(first);
    expect(readFileSync(code("completion")).equals(damaged)).toBe(false);
    expect(statSync(code("completion")).size).toBeGreaterThan(10_000);
  });

  it("is made anew for another source of the same length", () => {
    expect(tfc("help").stdout).toContain("a compiler for ONNX decoder graphs");
    const source = readFileSync(inPackage("dist/cli/main.cjs"), "latin1");
    const other = source.replaceAll("a compiler for ONNX", "A COMPILER for ONNX");
    expect(other).toHaveLength(source.length);
    writeFileSync(inPackage("dist/cli/main.cjs"), other);
    expect(tfc("help").stdout).toContain("A COMPILER for ONNX decoder graphs");
    expect(tfc("help").stdout).toContain("A COMPILER for ONNX decoder graphs");
  });

  it("is done without where it cannot be kept", () => {
    // A file in the folder's place: no permissions keep root from writing.
    writeFileSync(inPackage("dist/cli/code"), "");
    const { status, stdout, stderr } = tfc("completion", "fish");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("complete -c tfc");
  });
});
