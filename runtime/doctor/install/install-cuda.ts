import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import { putInPlace, type Staged } from "../../../compiler/onnx/output/commit.ts";
import { removeStale, temporaryFor } from "../../../compiler/onnx/output/temporary.ts";
import { bindingIn, installedBinding, type Binding } from "../../session/binding.ts";
import { CUDA_LIBRARIES } from "../../session/devices.ts";
import { diskOf } from "../machine.ts";
import { isOfVersion } from "../provider-version.ts";
import { chooseWheel, downloadWheel } from "./pip.ts";
import { pythonWithPip } from "./python.ts";
import { sha256Of, unpack } from "./wheel.ts";

/** What was done. */
export interface CudaInstalled {
  /** onnxruntime's version */
  readonly version: string;
  readonly files: readonly string[];
  /** false where they were there already */
  readonly changed: boolean;
  /** where the wheel came from, and its SHA-256; left out where nothing was fetched */
  readonly wheel?: { readonly url: string; readonly sha256: string };
}

/** Where to install, and whom to tell. */
export interface InstallCudaOptions {
  /** folder of the package onnxruntime-node; the installed one when left out */
  readonly folder?: string;
  /** is told what is being done; pip then shows on stderr how far it is */
  readonly progress?: (text: string) => void;
}

/** Bytes that the wheel and what is unpacked of it take, with room to spare: 1.30 has a wheel of 210 MB and 272 MB in it. */
const ROOM = { wheel: 400e6, libraries: 400e6 };

/**
 * Puts onnxruntime's CUDA provider beside the npm binding: the two libraries of the onnxruntime-gpu wheel whose version
 * is the binding's own, fetched by the person's pip. Where they are there already, nothing is done. Other files stay as
 * they are; after a failure, these do as well.
 *
 * @throws TfcError RUNTIME_MISSING; CUDA_INSTALL_PLATFORM, CUDA_INSTALL_PIP, CUDA_INSTALL_PACKAGE, CUDA_INSTALL_WHEEL,
 *   CUDA_INSTALL_WRITE
 */
export async function installCuda(options: InstallCudaOptions = {}): Promise<CudaInstalled> {
  const { platform, arch } = process;
  if (platform !== "linux" || arch !== "x64")
    throw inputError("CUDA_INSTALL_PLATFORM", {}, { found: `${platform}/${arch}` });
  const binding = options.folder === undefined ? installedBinding() : bindingIn(options.folder);
  if (binding === null) throw inputError("RUNTIME_MISSING", {}, {});
  const { version } = binding;
  const files = CUDA_LIBRARIES.map((name) => path.join(binding.libraries, name));
  const [provider = ""] = files;
  if (files.every((file) => existsSync(file)) && isOfVersion(provider, version))
    return { version, files, changed: false };
  checkFolder(binding);
  const folder = mkdtempSync(path.join(tmpdir(), "tfc-cuda-"));
  try {
    return {
      version,
      files,
      changed: true,
      wheel: await fetchInto(files, version, folder, options.progress),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fetchInto(
  files: readonly string[],
  version: string,
  folder: string,
  progress?: (text: string) => void,
): Promise<{ url: string; sha256: string }> {
  const python = pythonWithPip();
  checkRoom(tmpdir(), ROOM.wheel);
  progress?.(`asking ${python} -m pip for onnxruntime-gpu ${version}`);
  const chosen = chooseWheel(python, version, folder);
  if (chosen.version !== version)
    throw inputError("CUDA_INSTALL_WHEEL", {}, { wanted: `version ${version}`, found: chosen.version });
  progress?.(`fetching ${chosen.url}`);
  const wheel = downloadWheel(python, chosen, folder, progress !== undefined);
  const sha256 = await sha256Of(wheel);
  // pip has compared them as well; what is unpacked is what was compared.
  if (sha256 !== chosen.sha256)
    throw inputError(
      "CUDA_INSTALL_WHEEL",
      { file: wheel },
      { wanted: `SHA-256 ${chosen.sha256}`, found: sha256 },
    );
  for (const file of files) removeStale(file, null);
  const staged = files.map((file) => ({ temporary: temporaryFor(file), file }));
  try {
    const members = staged.map(({ temporary, file }) => ({
      name: `onnxruntime/capi/${path.basename(file)}`,
      file: temporary,
    }));
    await unpack(python, wheel, version, members);
    place(staged);
  } finally {
    for (const { temporary } of staged) rmSync(temporary, { force: true });
  }
  return { url: chosen.url, sha256 };
}

function place(staged: readonly Staged[]): void {
  try {
    putInPlace({ companions: staged, leader: null, interim: null });
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw inputError("CUDA_INSTALL_WRITE", { file: staged[0]?.file ?? "" }, { found }, cause);
  }
}

function checkFolder({ libraries }: Binding): void {
  const probe = temporaryFor(path.join(libraries, "probe"));
  try {
    writeFileSync(probe, "", { flag: "wx" });
    rmSync(probe);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw inputError("CUDA_INSTALL_WRITE", { file: libraries }, { found }, cause);
  }
  checkRoom(libraries, ROOM.libraries);
}

function checkRoom(folder: string, bytes: number): void {
  const free = diskOf(folder)?.free ?? Infinity;
  if (free >= bytes) return;
  const found = `${Math.round(free / 1e6)} MB free of the ${bytes / 1e6} MB that it takes`;
  throw inputError("CUDA_INSTALL_WRITE", { file: folder }, { found });
}
