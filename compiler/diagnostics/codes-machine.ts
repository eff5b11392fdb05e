import { error } from "./row.ts";

/** Messages about what a machine has to run graphs with. */
export const machineCodes = {
  // ---- the machine
  NODE_UNSUPPORTED: error((p: { wanted: string; found: string }) => ({
    what: "tfc does not run on this version of Node",
    wanted: p.wanted,
    found: p.found,
    fix: "install another version of Node: https://nodejs.org",
  })),
  CUDA_INSTALL_PLATFORM: error((p: { found: string }) => ({
    what: "onnxruntime has no CUDA provider for Node on this platform",
    wanted: "linux/x64",
    found: p.found,
    fix: "run on Linux x64 for CUDA; on other platforms graphs run on the CPU",
  })),
  CUDA_INSTALL_PIP: error((p: { python: string; found: string }) => ({
    what: "the CUDA provider cannot be fetched without pip",
    wanted: "Python with pip 22.2 or newer",
    found: p.found,
    fix: `install it (\`${p.python} -m pip install --upgrade pip\`), or name a Python that has it: TFC_PYTHON=/path/to/python`,
  })),
  CUDA_INSTALL_PACKAGE: error((p: { wanted: string; found: string; fix: string }) => ({
    what: "pip did not fetch the package that holds the CUDA provider; nothing was changed",
    wanted: p.wanted,
    found: p.found,
    fix: p.fix,
  })),
  CUDA_INSTALL_WHEEL: error((p: { wanted: string; found: string }) => ({
    what: "the fetched package is not the one that was asked for; nothing was changed",
    wanted: p.wanted,
    found: p.found,
    fix: "clear pip's cache (`pip cache purge`) and try again; if it stays so, do not trust the package index",
  })),
  CUDA_INSTALL_WRITE: error((p: { found: string }) => ({
    what: "the CUDA provider cannot be written; nothing was changed",
    wanted: "a folder that can be written to, with room",
    found: p.found,
    fix: "make room, or run as the user who installed onnxruntime-node",
  })),
} as const;
