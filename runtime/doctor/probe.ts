import { PROBE } from "../session/devices.ts";
import { ortMessage } from "../session/ort.ts";
import { ask } from "./ask.ts";

/** Whether a graph ran on a provider, and what was said where it did not. */
export interface Probe {
  readonly usable: boolean;
  readonly why?: string;
}

/** Seconds. A first start of CUDA reads hundreds of megabytes. */
const PATIENCE = 120;

/** CommonJS, in a process of its own: what a driver does wrong may end it. */
const PROGRAM = `
const [folder, provider, model] = process.argv.slice(1);
const tell = (result) => process.stdout.write("\\n" + JSON.stringify(result) + "\\n");
(async () => {
  try {
    const ort = require(folder);
    ort.env.logLevel = "fatal";
    const options = { executionProviders: [provider], logSeverityLevel: 4 };
    const session = await ort.InferenceSession.create(Buffer.from(model, "base64"), options);
    const { y } = await session.run({ x: new ort.Tensor("float32", Float32Array.of(42), [1]) });
    tell(y.data[0] === 42 ? { usable: true } : { usable: false, why: "it runs, and computes something else" });
  } catch (error) {
    tell({ usable: false, why: String(error && error.message) });
  }
})();
`;

/**
 * Runs a graph of one node on an execution provider of a binding.
 *
 * @param folder of the package onnxruntime-node
 * @param provider by onnxruntime's name: "cpu", "cuda", "webgpu"
 */
export function probeProvider(folder: string, provider: string): Probe {
  const args = ["-e", PROGRAM, folder, provider, Buffer.from(PROBE).toString("base64")];
  const { stdout, status, failure } = ask(process.execPath, args, { patience: PATIENCE });
  const line = stdout.split("\n").findLast((one) => one.startsWith("{"));
  if (line !== undefined) {
    const { usable, why } = JSON.parse(line) as Probe;
    return why === undefined ? { usable } : { usable, why: ortMessage(why) };
  }
  return {
    usable: false,
    why: `the process that tried it ended with ${failure ?? `status ${status ?? ""}`}`,
  };
}
