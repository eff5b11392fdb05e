import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { installCuda } from "../../../runtime/doctor/install/install-cuda.ts";
import { filesIn, temporaryFolder } from "../../support/folder.ts";
import { unprivileged } from "../../support/unprivileged.ts";
import { emptyBinding } from "./binding.ts";
import { fakePython, honest, recordOf, type Pretence } from "./fake-python.ts";

const folder = temporaryFolder();
const [CUDA, SHARED] = ["libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"];
const VERSION = "9.8.7";
/** As the real one, it holds its version as a text of its own. */
const built = { [CUDA]: `ELF of CUDA\0${VERSION}\0`, [SHARED]: "ELF of what providers share" };
const good = honest(VERSION, built);
const PYTHON = process.env["TFC_PYTHON"];
let made = 0;

afterEach(() => {
  if (PYTHON === undefined) delete process.env["TFC_PYTHON"];
  else process.env["TFC_PYTHON"] = PYTHON;
});

/** A package to install into, and a Python that pretends. */
function prepared(pretence: Pretence): { folder: string; libraries: string; log: () => string[][] } {
  const own = path.join(folder, `case-${made++}`);
  const binding = emptyBinding(own, VERSION);
  writeFileSync(path.join(binding.libraries, "libonnxruntime.so.1"), "as it was");
  const python = fakePython(path.join(own, "python"), pretence);
  process.env["TFC_PYTHON"] = python;
  const log = (): string[][] =>
    readFileSync(`${python}.log`, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as string[]);
  return { ...binding, log };
}

/** Installs, and expects a refusal that leaves the folder as it was. */
async function refusedOf(pretence: Pretence, code: string): Promise<string> {
  const { folder, libraries } = prepared(pretence);
  const before = filesIn(libraries);
  const error = await installCuda({ folder }).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code });
  expect(filesIn(libraries)).toEqual(before);
  expect(readFileSync(path.join(libraries, "libonnxruntime.so.1"), "utf8")).toBe("as it was");
  return (error as Error).message;
}

const onLinux = process.platform === "linux" && process.arch === "x64" ? describe : describe.skip;
const elsewhere = process.platform === "linux" && process.arch === "x64" ? it.skip : it;

elsewhere("refuses other platforms", async () => {
  await expect(installCuda({ folder })).rejects.toMatchObject({ code: "CUDA_INSTALL_PLATFORM" });
});

onLinux("installing the CUDA provider", () => {
  it("refuses other platforms", async () => {
    const platform = Object.getOwnPropertyDescriptor(process, "platform") ?? {};
    Object.defineProperty(process, "platform", { ...platform, value: "darwin" });
    try {
      await expect(installCuda({ folder })).rejects.toMatchObject({ code: "CUDA_INSTALL_PLATFORM" });
    } finally {
      Object.defineProperty(process, "platform", platform);
    }
  });

  it("writes two libraries and nothing else, once", async () => {
    const { folder, libraries, log } = prepared(good);
    const first = await installCuda({ folder });
    expect(first).toMatchObject({
      version: VERSION,
      changed: true,
      wheel: { url: `https://index.example/onnxruntime_gpu-${VERSION}.whl`, sha256: good.index?.[VERSION] },
    });
    expect(filesIn(libraries)).toEqual(["libonnxruntime.so.1", CUDA, SHARED]);
    for (const [name, content] of Object.entries(built))
      expect(readFileSync(path.join(libraries, name), "utf8")).toBe(content);
    expect(readFileSync(path.join(libraries, "libonnxruntime.so.1"), "utf8")).toBe("as it was");
    const calls = log().length;
    expect(await installCuda({ folder })).toEqual({ version: VERSION, files: first.files, changed: false });
    expect(log()).toHaveLength(calls);
  });

  it("asks pip for exactly the binding's version, and has it check the hash", async () => {
    const { folder, log } = prepared(good);
    await installCuda({ folder });
    const [, install = [], download = []] = log();
    expect(install).toEqual(
      expect.arrayContaining(["--dry-run", "--report", "--no-deps", `onnxruntime-gpu==${VERSION}`]),
    );
    expect(download).toEqual(
      expect.arrayContaining(["--require-hashes", "--no-deps", "--only-binary", ":all:"]),
    );
  });

  it("replaces a provider of another version", async () => {
    const { folder, libraries } = prepared(good);
    for (const name of [CUDA, SHARED]) writeFileSync(path.join(libraries, name), "\x001.2.3\0");
    expect(await installCuda({ folder })).toMatchObject({ changed: true });
    expect(readFileSync(path.join(libraries, CUDA), "utf8")).toBe(built[CUDA]);
  });

  it("is refused without Python, without pip, and with an old pip", async () => {
    process.env["TFC_PYTHON"] = "/no/such/python";
    const binding = emptyBinding(path.join(folder, "bare"), VERSION);
    const error = await installCuda({ folder: binding.folder }).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "CUDA_INSTALL_PIP" });
    expect((error as Error).message).toContain("/no/such/python does not run");
    expect(await refusedOf({ pip: null }, "CUDA_INSTALL_PIP")).toContain("No module named pip");
    expect(await refusedOf({ pip: "pip 22.1.2 from /site/pip" }, "CUDA_INSTALL_PIP")).toContain(
      "found pip 22.1.2",
    );
  });

  it("is refused where the index has no such version", async () => {
    const message = await refusedOf({ ...good, index: { "1.2.3": "00" } }, "CUDA_INSTALL_PACKAGE");
    expect(message).toContain(`wanted onnxruntime-gpu ${VERSION}`);
    expect(message).toContain("No matching distribution found");
    expect(message).toContain("fix: install a version of onnxruntime-node that onnxruntime-gpu has as well");
  });

  it("is refused without a network, which is asked once", async () => {
    const refusal =
      "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: Could not find a version that satisfies the requirement onnxruntime-gpu (from versions: none)\nERROR: No matching distribution found";
    const message = await refusedOf({ ...good, refusal }, "CUDA_INSTALL_PACKAGE");
    expect(message).toContain("fix: check the network");
  });

  it("is refused where there is no room", async () => {
    const refusal = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
    const message = await refusedOf({ ...good, refusal }, "CUDA_INSTALL_PACKAGE");
    expect(message).toContain("fix: make room for temporary files");
  });

  it.each<[string, Pretence, string]>([
    ["another hash than the index says", { ...good, wheel: "something else" }, "wanted SHA-256"],
    ["another version", { ...good, metadata: "Version: 1.2.3\n" }, `wanted version ${VERSION}, found 1.2.3`],
    [
      "a library that is not what its own list says",
      { ...good, record: recordOf(`onnxruntime/capi/${CUDA}`, "other") },
      `wanted onnxruntime/capi/${CUDA} of SHA-256`,
    ],
    ["a library that its list does not have", { ...good, record: "" }, "in its RECORD"],
    ["no such library", { ...good, members: {} }, "There is no item named"],
  ])("is refused for a wheel with %s", async (_, pretence, said) => {
    expect(await refusedOf(pretence, "CUDA_INSTALL_WHEEL")).toContain(said);
  });

  it("is refused where nothing can be written, before anything is fetched", async () => {
    const { folder, libraries } = prepared(good);
    chmodSync(path.dirname(folder), 0o755);
    chmodSync(libraries, 0o555);
    const error = await unprivileged(() => installCuda({ folder })).catch((cause: unknown) => cause);
    chmodSync(libraries, 0o755);
    expect(error).toMatchObject({ code: "CUDA_INSTALL_WRITE" });
    expect((error as Error).message).toContain("EACCES");
    expect(filesIn(libraries)).toEqual(["libonnxruntime.so.1"]);
    expect(filesIn(folder)).not.toContain("python.log");
  });
});
