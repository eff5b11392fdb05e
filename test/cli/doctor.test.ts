import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfc, tfcHere } from "../support/tfc.ts";

const folder = temporaryFolder();

describe("tfc doctor", () => {
  it("succeeds where graphs run on the CPU, and says a line about each thing", () => {
    const { status, stdout, stderr } = tfc(["doctor"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^node +\d+\.\d+\.\d+$/m);
    expect(stdout).toMatch(/^onnxruntime +onnxruntime-node \d+\.\d+\.\d+ in /m);
    expect(stdout).toMatch(/^cpu +works$/m);
    expect(stdout).toMatch(/^cuda +(works|does not work: .+)$/m);
    expect(stdout).toMatch(/^webgpu +(works|does not work: .+)$/m);
    expect(stdout).toMatch(/^memory +[\d.]+ [kMGT]?B available of [\d.]+ [kMGT]?B$/m);
    expect(stdout).toMatch(/^disk +[\d.]+ [kMGT]?B free of /m);
  });

  it("prints one object with --json", async () => {
    const { status, stdout } = await tfcHere("doctor", "--json");
    expect(status).toBe(0);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    expect(report).toMatchObject({ ready: true, needed: "cpu", node: { supported: true } });
    expect(Object.keys(report)).toEqual([
      ...["ready", "needed", "node", "onnxruntime", "providers", "cuda", "memory", "disks"],
    ]);
  });

  it("fails, behind its report, where the device that is asked for does not work", async () => {
    const { providers } = JSON.parse((await tfcHere("doctor", "--json")).stdout) as {
      providers: readonly { provider: string; usable: boolean }[];
    };
    for (const { provider, usable } of providers) {
      const { status, stdout, stderr } = await tfcHere("doctor", "--device", provider);
      expect(status).toBe(usable ? 0 : 1);
      expect(stdout).toMatch(/^node /);
      if (!usable) expect(stderr).toContain("error RUNTIME_PROVIDER");
    }
  });

  it("refuses a device that there is not, and two things at once", async () => {
    expect(await refused(folder, "doctor", "--device", "tpu")).toContain("OPTION_UNKNOWN_VALUE");
    expect(await refused(folder, "doctor", "--install-cuda", "--device", "cuda")).toContain(
      "OPTION_CONFLICT",
    );
  });
});
