import { error, warning } from "./row.ts";

/** Messages of the build step, and of the report. */
export const buildingCodes = {
  BUILD_INLINE_SIZE: error((p: { bytes: number; limit: number }) => ({
    what: "the compiled model is too large to be part of a module",
    wanted: `at most ${p.limit} bytes, graph and weights together`,
    found: `${p.bytes} bytes`,
    fix: "leave out `inline`: the files are then beside the module; or quantize the weights",
  })),
  BUILD_CANNOT_EMIT: error((p: { files: readonly string[]; found: string; fix: string }) => ({
    what: "the files of the compiled model cannot be put beside the build's own",
    wanted: `a folder for ${p.files.join(", ")}`,
    found: p.found,
    fix: p.fix,
  })),
  BUILD_COMPILER_ENDED: error((p: { why: string }) => ({
    what: "the process that compiles for the build ended before it had compiled this",
    wanted: "the compiled model",
    found: p.why,
    fix: "build again; SIGKILL mostly means that memory ran out. A configuration must not end the process",
  })),
  REPORT_OTHER_BASE: warning((p: { wanted: string; found: string; difference: string }) => ({
    what: `the model was compiled from base ${p.wanted}, and is compared with ${p.found}: ${p.difference}`,
    fix: "give the base that it was compiled from; what changed is between these two files",
  })),
} as const;
