import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { elfDynamic } from "../../../runtime/doctor/elf.ts";
import { librariesOf } from "../../../runtime/doctor/libraries.ts";
import { cudaMajor, librariesFix } from "../../../runtime/doctor/packages.ts";
import { isOfVersion } from "../../../runtime/doctor/provider-version.ts";
import { installedBinding } from "../../../runtime/session/binding.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { copyOfAddon } from "./binding.ts";

const folder = temporaryFolder();
const binding = installedBinding();
const { libraries = "", version = "" } = binding ?? {};
const addon = path.join(libraries, "onnxruntime_binding.node");
const onLinux = process.platform === "linux" ? describe : describe.skip;
const readelf = spawnSync("readelf", ["-d", addon], { encoding: "utf8" });
const path0 = process.env["LD_LIBRARY_PATH"];

afterEach(() => {
  if (path0 === undefined) delete process.env["LD_LIBRARY_PATH"];
  else process.env["LD_LIBRARY_PATH"] = path0;
});

onLinux("libraries of a library", () => {
  it("are those in its dynamic section", () => {
    const { needed = [], runpath = [] } = elfDynamic(addon) ?? {};
    expect(needed).toContain("libonnxruntime.so.1");
    expect(needed).toContain("libc.so.6");
    expect(runpath.join()).toContain("$ORIGIN");
  });

  (readelf.status === 0 ? it : it.skip)("are those that readelf lists", () => {
    const listed = [...readelf.stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
    expect(listed.length).toBeGreaterThan(3);
    expect(elfDynamic(addon)?.needed).toEqual(listed);
  });

  it("are none of a file that is no library", () => {
    const text = path.join(folder, "text.so");
    writeFileSync(text, "INPUT(libreal.so)\n".repeat(10));
    expect(elfDynamic(text)).toBeNull();
    writeFileSync(text, "short");
    expect(elfDynamic(text)).toBeNull();
  });

  it("are found beside it, by LD_LIBRARY_PATH, or not at all", () => {
    const own = { name: "libonnxruntime.so.1", optional: false };
    const there = path.join(libraries, own.name);
    expect(librariesOf(addon)).toContainEqual({ ...own, file: there });
    const alone = copyOfAddon(path.join(folder, "alone"));
    expect(librariesOf(alone)).toContainEqual({ ...own, file: null });
    process.env["LD_LIBRARY_PATH"] = `/nowhere:${libraries}`;
    expect(librariesOf(alone)).toContainEqual({ ...own, file: there });
  });

  it("are named where they are no part of every system", () => {
    const names = librariesOf(addon).map(({ name }) => name);
    expect(names).not.toContain("libc.so.6");
    expect(librariesOf(addon).at(-1)).toMatchObject({ name: "libcudnn.so.9", optional: true });
  });
});

describe("packages of libraries", () => {
  const missing = (...names: readonly string[]) =>
    names.map((name) => ({ name, file: null, optional: false }));
  const python = "no-such-python";

  it.each([
    [
      missing("libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10", "libcudart.so.13", "libcuda.so.1"),
      13,
      "'nvidia-cublas==13.*' 'nvidia-curand==10.*' 'nvidia-cuda-runtime==13.*'",
    ],
    [
      missing("libcublas.so.12", "libcudart.so.12", "libcufft.so.11", "libcudnn.so.9"),
      12,
      "'nvidia-cublas-cu12==12.*' 'nvidia-cuda-runtime-cu12==12.*' 'nvidia-cufft-cu12==11.*' 'nvidia-cudnn-cu12==9.*'",
    ],
    [missing("libcudart.so.13", "libcudnn.so.9"), 13, "'nvidia-cuda-runtime==13.*' 'nvidia-cudnn-cu13==9.*'"],
  ])("are those of their CUDA", (libraries, major, packages) => {
    expect(cudaMajor(libraries)).toBe(major);
    const [install, look] = librariesFix(libraries, python);
    expect(install).toBe(`${python} -m pip install ${packages}`);
    expect(look).toMatch(/^export LD_LIBRARY_PATH="\$\(no-such-python -c '.*'\):\$LD_LIBRARY_PATH"$/);
  });

  it("are none for what is there, nor for the driver's library", () => {
    const libraries = [
      { name: "libcudart.so.13", file: "/cuda/libcudart.so.13", optional: false },
      ...missing("libcuda.so.1"),
    ];
    expect(librariesFix(libraries, python)).toEqual([]);
  });

  const hasPython = spawnSync("python3", ["-c", ""]).status === 0;
  (hasPython ? it : it.skip)("need no command where pip has them: the path is what is missing", () => {
    const site = path.join(folder, "site");
    const lib = path.join(site, "nvidia/cu13/lib");
    mkdirSync(lib, { recursive: true });
    writeFileSync(path.join(lib, "libcudart.so.13"), "");
    const fake = path.join(folder, "python-of-site");
    const program = `#!/bin/sh\nexec python3 -c "import sysconfig; sysconfig.get_path = lambda _: '${site}'; $2"\n`;
    writeFileSync(fake, program, { mode: 0o755 });
    const [look, ...more] = librariesFix(missing("libcudart.so.13"), fake);
    expect(look).toMatch(/^export LD_LIBRARY_PATH=/);
    expect(more).toEqual([]);
    const printed = spawnSync("sh", ["-c", `LD_LIBRARY_PATH=; ${look ?? ""}; echo $LD_LIBRARY_PATH`], {
      encoding: "utf8",
    });
    expect(printed.stdout).toBe(`${lib}:\n`);
  });
});

describe("the version of a provider", () => {
  it("is what it holds as a text of its own, wherever it stands", () => {
    const file = path.join(folder, "provider.so");
    // On both sides of where a reading ends.
    for (const before of [0, 1, (1 << 22) - 3, 1 << 22, (1 << 22) + 5]) {
      writeFileSync(file, Buffer.concat([Buffer.alloc(before, 1), Buffer.from("\x001.30.0\0rest")]));
      expect(isOfVersion(file, "1.30.0")).toBe(true);
      expect(isOfVersion(file, "1.30")).toBe(false);
      expect(isOfVersion(file, "1.3.0")).toBe(false);
    }
    writeFileSync(file, "VERS_1.30.0\0");
    expect(isOfVersion(file, "1.30.0")).toBe(false);
  });

  onLinux("of onnxruntime itself", () => {
    it("is the package's", () => {
      expect(isOfVersion(path.join(libraries, "libonnxruntime.so.1"), version)).toBe(true);
    });
  });
});
