import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";

/** The binding's module. */
export type Ort = typeof import("onnxruntime-node");

let loading: Promise<Ort> | undefined;

/**
 * Loads onnxruntime-node when it is first needed: compiling works without it.
 *
 * @throws TfcError RUNTIME_MISSING when the package is not installed, RUNTIME_FAILED when its library does not load.
 */
export function loadOrt(): Promise<Ort> {
  loading ??= importOrt();
  return loading;
}

async function importOrt(): Promise<Ort> {
  let ort: Ort;
  try {
    // The package is CommonJS: its own exports are the default one, and only some tools show them by name too.
    ort = (await import("onnxruntime-node")).default;
  } catch (cause) {
    if (isMissing(cause)) throw inputError("RUNTIME_MISSING", {}, {}, cause);
    throw inputError("RUNTIME_FAILED", {}, { why: ortMessage(cause) }, cause);
  }
  // What it logs as an error comes back as one, with the same text: stderr belongs to the caller. A level that was
  // chosen before stays.
  if (ort.env.logLevel === undefined || ort.env.logLevel === "warning") ort.env.logLevel = "fatal";
  return ort;
}

function isMissing(cause: unknown): boolean {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  const message = ortMessage(cause);
  return (
    (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") && message.includes("onnxruntime-node")
  );
}

/** RUNTIME_FAILED about a model, with what onnxruntime said and the optimizations it ran with. */
export function runtimeFailed(file: string, cause: unknown, optimizations: "off" | "all" = "all"): TfcError {
  return inputError("RUNTIME_FAILED", { file }, { why: ortMessage(cause), optimizations }, cause);
}

const noise: readonly (readonly [RegExp, string])[] = [
  // colours, and the status that every message begins with
  // eslint-disable-next-line no-control-regex
  [/\u001b\[[0-9;]*m/g, ""],
  [/\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : /g, ""],
  // the place in onnxruntime's own source, and the signature of the C++ function there
  [
    /\/onnxruntime_src\/\S+:\d+ (?:[\w:<>&*~, ]+\([^)]*\)(?:::<lambda\([^)]*\)>)?(?: const)? (?:\[with [^\]]*\] )?)?/g,
    "",
  ],
  // the path, which the message's own place names
  [/Load model from .*? failed: ?/g, ""],
  [
    /^Unsupported data type: (\d+)$/,
    "a graph input or output has element type $1 (16 is bfloat16), which JavaScript has not",
  ],
  [/\s+/g, " "],
];

/** What onnxruntime said, without its colours, status prefix and source positions. */
export function ortMessage(cause: unknown): string {
  // The binding's errors may be of another realm than this module, and then no instance of its Error.
  const text = typeof cause === "object" && cause !== null && "message" in cause ? cause.message : cause;
  return noise.reduce((message, [pattern, by]) => message.replace(pattern, by), String(text)).trim();
}
