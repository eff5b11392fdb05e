import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { doctor, doctorError, nodeState } from "../../../runtime/doctor/doctor.ts";
import { driverWanted, nvidiaDriver } from "../../../runtime/doctor/gpu.ts";
import { disks, memory } from "../../../runtime/doctor/machine.ts";
import { probeProvider } from "../../../runtime/doctor/probe.ts";
import { installedBinding } from "../../../runtime/session/binding.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { emptyBinding } from "./binding.ts";

const folder = temporaryFolder();
const PATH = process.env["PATH"] ?? "";

afterEach(() => {
  process.env["PATH"] = PATH;
});

/** Has `nvidia-smi` be a script that prints a text. */
function smiThat(prints: string, status = 0): void {
  const bin = path.join(folder, "smi");
  mkdirSync(bin, { recursive: true });
  writeFileSync(path.join(bin, "nvidia-smi"), `#!/bin/sh\ncat <<'END'\n${prints}\nEND\nexit ${status}\n`, {
    mode: 0o755,
  });
  process.env["PATH"] = `${bin}:${PATH}`;
}

describe("a report", () => {
  const report = doctor();

  it("says that the CPU works, and is ready", () => {
    expect(report).toMatchObject({
      ready: true,
      needed: "cpu",
      node: { version: process.versions.node, supported: true },
      onnxruntime: { version: installedBinding()?.version },
    });
    expect(report.providers.map(({ provider }) => provider)).toEqual(["cpu", "cuda", "webgpu"]);
    expect(report.providers[0]).toEqual({ provider: "cpu", usable: true });
  });

  it("says why a provider does not work", () => {
    for (const { usable, why } of report.providers) expect(why === undefined).toBe(usable);
  });

  it("names each library that CUDA needs, found or missing, and what to do", () => {
    if (report.cuda === null) return;
    const { libraries, steps, provider } = report.cuda;
    expect(libraries.map(({ name }) => name).join(" ")).toMatch(/libcublas.*libcudart.*libcudnn/);
    for (const { file } of libraries) expect(file === null || existsSync(file)).toBe(true);
    const isUsable = report.providers.some((one) => one.provider === "cuda" && one.usable);
    if (!isUsable && provider === "missing") expect(steps[0]).toBe("npx tfc doctor --install-cuda");
  });

  it("is an error for a provider that does not work, with the steps to it", () => {
    const state = report.providers.find(({ provider }) => provider === "webgpu");
    const failed = { ...report, needed: "webgpu", ready: false } as const;
    expect(doctorError(failed)).toMatchObject({ code: "RUNTIME_PROVIDER" });
    if (state?.usable === false) expect(doctorError(failed).message).toContain(state.why);
  });

  it("is an error without onnxruntime-node, and on an old Node", () => {
    expect(doctorError({ ...report, onnxruntime: null })).toMatchObject({ code: "RUNTIME_MISSING" });
    const error = doctorError({ ...report, node: nodeState("18.20.4") });
    expect(error).toMatchObject({ code: "NODE_UNSUPPORTED" });
    expect(error.message).toContain("found 18.20.4");
  });
});

describe("a version of Node", () => {
  it.each([
    ["18.20.4", false],
    ["20.18.3", false],
    ["20.19.0", true],
    ["21.7.3", false],
    ["22.11.0", false],
    ["22.12.0", true],
    ["24.0.0", true],
  ])("%s", (version, supported) => {
    expect(nodeState(version).supported).toBe(supported);
  });
});

describe("a provider that is tried", () => {
  it("in a package that does not load says so", () => {
    const { folder: broken } = emptyBinding(path.join(folder, "broken"), "1.0.0");
    writeFileSync(path.join(broken, "index.js"), "throw new Error('cannot open shared object file');");
    const { usable, why } = probeProvider(broken, "cpu");
    expect(usable).toBe(false);
    expect(why).toContain("cannot open shared object file");
  });

  it("and ends its process says how", () => {
    const { folder: fatal } = emptyBinding(path.join(folder, "fatal"), "1.0.0");
    writeFileSync(path.join(fatal, "index.js"), "process.kill(process.pid, 'SIGKILL'); while (true);");
    expect(probeProvider(fatal, "cpu")).toMatchObject({
      usable: false,
      why: expect.stringContaining("SIGKILL"),
    });
  });

  it("and computes something else does not work", () => {
    const { folder: wrong } = emptyBinding(path.join(folder, "wrong"), "1.0.0");
    const session = "{ create: async () => ({ run: async () => ({ y: { data: [0] } }) }) }";
    const text = `module.exports = { env: {}, Tensor: class {}, InferenceSession: ${session} };`;
    writeFileSync(path.join(wrong, "index.js"), text);
    expect(probeProvider(wrong, "cuda").usable).toBe(false);
  });
});

const onLinux = process.platform === "linux" ? describe : describe.skip;

onLinux("NVIDIA's driver", () => {
  it("is what nvidia-smi says, with its cards", () => {
    smiThat("580.65.06, NVIDIA H100 80GB HBM3, 81559, 9.0\n580.65.06, NVIDIA L4, 23034, 8.9");
    expect(nvidiaDriver()).toEqual({
      version: "580.65.06",
      gpus: [
        { name: "NVIDIA H100 80GB HBM3", memory: 81559 * 2 ** 20, capability: "9.0" },
        { name: "NVIDIA L4", memory: 23034 * 2 ** 20, capability: "8.9" },
      ],
    });
  });

  it("is not what a failing nvidia-smi says", () => {
    smiThat("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9);
    const driver = nvidiaDriver();
    expect(driver?.version ?? "").not.toContain("failed");
  });

  it("must be new enough for a CUDA", () => {
    expect(driverWanted({ version: "550.54.15", gpus: [] }, 13)).toBe(580);
    expect(driverWanted({ version: "550.54.15", gpus: [] }, 12)).toBeNull();
    expect(driverWanted({ version: "580.65.06", gpus: [] }, 13)).toBeNull();
  });
});

describe("a machine", () => {
  it("has memory and disks", () => {
    const { total, available } = memory();
    expect(available).toBeGreaterThan(0);
    expect(available).toBeLessThanOrEqual(total);
    expect(disks()[0]?.folder).toBe(process.cwd());
    for (const { free, total: size } of disks()) expect(free).toBeLessThanOrEqual(size);
  });
});
