import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { pythonCommand } from "../../../runtime/doctor/install/python.ts";
import { installCuda } from "../../../runtime/doctor/install/install-cuda.ts";
import { filesIn, temporaryFolder } from "../../support/folder.ts";
import { emptyBinding } from "./binding.ts";
import { recordOf } from "./fake-python.ts";

const folder = temporaryFolder();
const python = pythonCommand();
const [, major = "0"] =
  /^pip (\d+)/.exec(spawnSync(python, ["-m", "pip", "--version"], { encoding: "utf8" }).stdout) ?? [];
const withPip =
  process.platform === "linux" && process.arch === "x64" && Number(major) >= 23 ? describe : describe.skip;

const VERSION = "9.8.7";
const [CUDA, SHARED] = ["libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"];
const built: Readonly<Record<string, string>> = {
  [`onnxruntime/capi/${CUDA}`]: `ELF of CUDA\0${VERSION}\0`,
  [`onnxruntime/capi/${SHARED}`]: "ELF of what providers share",
  "onnxruntime/__init__.py": "",
};
const before = { ...process.env };

/** A wheel for one Python, as pip takes it. */
function writeWheel(files: Readonly<Record<string, string>>, version: string, tag: string): void {
  const info = `onnxruntime_gpu-${version}.dist-info`;
  const all: Readonly<Record<string, string>> = {
    ...files,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: ${version}\n`,
    [`${info}/WHEEL`]: `Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: ${tag}\n`,
  };
  const record = [
    ...Object.entries(all).map(([name, text]) => recordOf(name, text)),
    `${info}/RECORD,,`,
  ].join("\n");
  const program =
    "import json, sys, zipfile\nfiles = json.load(sys.stdin)\nwith zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:\n    for name, text in files.items(): z.writestr(name, text)";
  const wheel = path.join(folder, "links", `onnxruntime_gpu-${version}-${tag}.whl`);
  const input = JSON.stringify({ ...all, [`${info}/RECORD`]: record });
  expect(spawnSync(python, ["-c", program, wheel], { input }).status).toBe(0);
}

withPip("with pip itself, and a folder of wheels for its index", () => {
  beforeAll(() => {
    mkdirSync(path.join(folder, "links"));
    Object.assign(process.env, {
      PIP_NO_INDEX: "1",
      PIP_FIND_LINKS: path.join(folder, "links"),
      PIP_CONFIG_FILE: "/dev/null",
    });
  });

  afterAll(() => {
    for (const name of ["PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"]) {
      const value = before[name];
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  });

  it("installs the two libraries of the wheel of the same version", async () => {
    writeWheel(built, VERSION, "cp312-cp312-manylinux_2_28_x86_64");
    writeWheel(built, "9.9.9", "cp312-cp312-manylinux_2_28_x86_64");
    const binding = emptyBinding(path.join(folder, "package"), VERSION);
    const report = await installCuda({ folder: binding.folder });
    expect(report).toMatchObject({ version: VERSION, changed: true });
    expect(report.wheel?.url).toContain(`onnxruntime_gpu-${VERSION}-cp312`);
    expect(filesIn(binding.libraries)).toEqual([CUDA, SHARED]);
    expect(readFileSync(path.join(binding.libraries, CUDA), "utf8")).toBe(built[`onnxruntime/capi/${CUDA}`]);
  });

  it("is refused for a wheel that is cut short, or lies about its content", async () => {
    const wheel = path.join(
      folder,
      "links",
      `onnxruntime_gpu-${VERSION}-cp312-cp312-manylinux_2_28_x86_64.whl`,
    );
    const binding = emptyBinding(path.join(folder, "cut"), VERSION);
    writeFileSync(wheel, readFileSync(wheel).subarray(0, -40));
    await expect(installCuda({ folder: binding.folder })).rejects.toMatchObject({
      code: expect.stringMatching(/^CUDA_INSTALL_(PACKAGE|WHEEL)$/),
    });
    rmSync(wheel);
    writeWheel({ "onnxruntime/__init__.py": "" }, VERSION, "cp312-cp312-manylinux_2_28_x86_64");
    await expect(installCuda({ folder: binding.folder })).rejects.toMatchObject({
      code: "CUDA_INSTALL_WHEEL",
    });
    expect(filesIn(binding.libraries)).toEqual([]);
  });
});
