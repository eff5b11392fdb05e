import { passes } from "../../passes/index.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { sizeOf, type WeightTensor } from "../../compiler/weights/weight.ts";
import type { Overrides } from "../../passes/adapt/_override-plan.ts";

/** How a case is to be run. */
export interface CaseOptions {
  /** The passes to run, in order; those of the case's folder when empty. */
  readonly passes: readonly Pass[];
  /** Options of passes, by the pass's name. */
  readonly settings: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** Running the passes again may change the model again. */
  readonly once: boolean;
  /** Whether what is run has weights before the passes run, which make others of them. */
  readonly reads: boolean;
  /** How far the results of running may differ; 0 is not at all. */
  readonly tolerance: number;
}

/** The pass of a name. @throws Error for a name that no pass has */
export function passNamed(name: string): Pass {
  const pass = passes.find((one) => one.name === name);
  if (pass === undefined) throw new Error(`there is no pass "${name}"`);
  return pass;
}

/**
 * Reads lines such as `passes: outline-mlp, inject-adapters`, `inject-adapters: {"seed": 1}`, `once`, `reads`, and
 * `checkpoint: {"lm_head.weight": [16, 8]}`.
 */
export function parseOptions(text: string, fail: (why: string) => never): CaseOptions {
  const settings = new Map<string, Readonly<Record<string, unknown>>>();
  let options: CaseOptions = { passes: [], settings, once: false, reads: false, tolerance: 0 };
  for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
    const [, key = "", value = ""] = /^\s*([\w-]+)\s*(?::\s*(.*))?$/.exec(line) ?? fail(`no option: ${line}`);
    switch (key) {
      case "passes":
        options = { ...options, passes: value.split(",").map((name) => passNamed(name.trim())) };
        break;
      case "once":
        options = { ...options, once: true };
        break;
      case "reads":
        options = { ...options, reads: true };
        break;
      case "tolerance":
        options = { ...options, tolerance: Number(value) };
        break;
      case "checkpoint":
        settings.set("override-weights", { overrides: checkpointOf(JSON.parse(value) as Shapes) });
        break;
      default:
        settings.set(passNamed(key).name, JSON.parse(value) as Readonly<Record<string, unknown>>);
    }
  }
  return options;
}

type Shapes = Readonly<Record<string, readonly number[]>>;

/** Weights of a checkpoint, which a case names with their shapes: all ones. */
function checkpointOf(shapes: Shapes): Overrides {
  const weights = Object.entries(shapes).map(([name, shape]) => {
    const bytes = (): Uint8Array => new Uint8Array(new Float32Array(sizeOf({ shape })).fill(1).buffer);
    return [name, { dtype: "float", shape, bytes } satisfies WeightTensor] as const;
  });
  return { file: "checkpoint.pt", weights: new Map(weights), headFollows: true };
}
