import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { writeText } from "./models.mjs";

/** Loads a model that doubles on CUDA, and looks at what comes out. */
const PROBE = `
import sys
import numpy as np
import onnxruntime as ort
if "CUDAExecutionProvider" not in ort.get_available_providers():
    sys.exit("this onnxruntime has no CUDA provider: onnxruntime-gpu has")
options = ort.SessionOptions()
options.log_severity_level = 4
session = ort.InferenceSession(sys.argv[1], options, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
if "CUDAExecutionProvider" not in session.get_providers():
    sys.exit("onnxruntime's CUDA provider does not load: are CUDA, cuDNN and a driver in LD_LIBRARY_PATH?")
x = np.arange(1, 9, dtype=np.float32)
if not np.array_equal(session.run(None, {"x": x})[0], x + x):
    sys.exit("the CUDA provider loads, but computes nothing")
print(ort.__version__)`;

const DOUBLE = `<ir_version: 10, opset_import: ["" : 20]>
double (float[8] x) => (float[8] y) { y = Add (x, x) }`;

/**
 * A Python whose onnxruntime runs on a provider: $PYTHON or python3.
 *
 * @param {"cuda" | "cpu"} provider
 * @returns {{ python: string, onnxruntime: string, card: string } | { reason: string }}
 */
export function findProvider(provider, folder) {
  const candidates = [process.env.PYTHON, "python3"].filter((name) => name !== undefined && name !== "");
  const model = join(folder, "double.onnx");
  writeText(model, DOUBLE);
  const reasons = [];
  for (const python of candidates) {
    const script = provider === "cuda" ? PROBE : "import numpy, onnxruntime; print(onnxruntime.__version__)";
    const done = spawnSync(python, ["-c", script, model], { encoding: "utf8", timeout: 120_000 });
    const answer = done.stdout?.trim();
    if (done.status === 0) return { python, onnxruntime: answer, card: provider === "cuda" ? card() : "CPU" };
    reasons.push(`${python}: ${(done.stderr ?? done.error?.message ?? "").trim().split("\n").at(-1)}`);
  }
  return { reason: reasons.join("; ") };
}

/** What the driver calls the GPU. */
function card() {
  const { status, stdout } = spawnSync(
    "nvidia-smi",
    ["--query-gpu=name,driver_version", "--format=csv,noheader"],
    { encoding: "utf8" },
  );
  return status === 0 ? stdout.trim().split("\n")[0].replace(", ", ", driver ") : "a GPU of unknown name";
}
