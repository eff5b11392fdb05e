import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where onnxruntime-node put the nodes of a model with its WebGPU provider: op types, once for each node. */
export interface Placed {
  readonly webgpu: readonly string[];
  readonly cpu: readonly string[];
  /** How many are on WebGPU where all are; onnxruntime does not name them then. */
  readonly all: number | null;
  /** Whether onnxruntime has moved transposes on the way, through other ops. */
  readonly isMoved: boolean;
}

/**
 * onnxruntime says in its log where nodes are. It writes the model, too, since it folds and copies weights otherwise, and
 * that says where copies are.
 */
const script = `
import ort from "onnxruntime-node";
const [file, written] = process.argv.slice(1);
await ort.InferenceSession.create(file, {
  executionProviders: ["webgpu"],
  graphOptimizationLevel: "disabled",
  optimizedModelFilePath: written,
  logSeverityLevel: 0,
  extra: { session: {
    optimized_model_external_initializers_file_name: "weights.data",
    optimized_model_external_initializers_min_size_in_bytes: "1024",
  } },
});
`;

/** What onnxruntime does with a model, or what it says instead. */
export function placeOnWebgpu(file: string): Placed | string {
  const folder = mkdtempSync(join(tmpdir(), "tfc-webgpu-"));
  try {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "--eval", script, file, join(folder, "written.onnx")],
      { encoding: "utf8", timeout: 120_000, maxBuffer: 1 << 28 },
    );
    const said = `${stdout}\n${stderr}`;
    return status === 0 ? placedIn(said) : (/^Error: .*$/m.exec(said)?.[0] ?? `exit status ${status}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Why there is no WebGPU here; null where there is. A driver that computes on the CPU does (VK_ICD_FILENAMES). */
export function webgpuObstacle(model: string): string | null {
  const placed = placeOnWebgpu(model);
  return typeof placed === "string" ? `no adapter of WebGPU: ${placed.slice(0, 200)}` : null;
}

function placedIn(log: string): Placed {
  const found: Record<string, string[]> = {};
  let own: string[] | null = null;
  let all: number | null = null;
  for (const line of log.split("\n")) {
    if (!line.includes("VerifyEachNodeIsAssignedToAnEp]")) continue;
    const head = /(All nodes)? ?placed on \[(\w+)\]\. Number of nodes: (\d+)/.exec(line);
    const node = /\]\s+(\S+) \((.*)\)\s*$/.exec(line);
    if (head !== null) {
      own = found[head[2] ?? ""] ??= [];
      if (head[1] !== undefined) all = Number(head[3]);
      // What two nodes read dequantized is dequantized twice, by a node that onnxruntime adds.
    } else if (node?.[1] !== undefined && node[2]?.includes("/duplicated") === false) own?.push(node[1]);
  }
  return {
    webgpu: found["WebGpuExecutionProvider"] ?? [],
    cpu: found["CPUExecutionProvider"] ?? [],
    all,
    isMoved: /\(\S*_token_\d+\)/.test(log),
  };
}
