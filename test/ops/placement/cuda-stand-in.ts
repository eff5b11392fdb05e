import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import proto from "onnx-proto";

const { onnx } = proto;

/** A Python whose onnxruntime loads its CUDA provider, here with libraries in CUDA's place that compute nothing. */
export interface Partitioner {
  readonly python: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Where onnxruntime put the nodes of one model. */
export interface Partition {
  readonly file: string;
  /** Why onnxruntime does not take the model; null where it does. */
  readonly error: string | null;
  /** Op types, once for each node. */
  readonly cuda: readonly string[];
  readonly cpu: readonly string[];
  /** The model with the copies in it. */
  readonly written: string;
}

const builder = resolve("../shared/gpu/stand-in/build.py");

/** The partitioner, or why there is none. Built once for a checkout; TFC_CUDA_STAND_IN names one that is built. */
export function findPartitioner(): Partitioner | string {
  const python = [process.env["TFC_PYTHON"], "python3"].find(
    (one) => one !== undefined && spawnSync(one, ["-c", "import numpy"], { timeout: 60_000 }).status === 0,
  );
  if (python === undefined) return "no Python with numpy";
  const folder = process.env["TFC_CUDA_STAND_IN"] ?? resolve("out/cuda-stand-in");
  const env = {
    ...process.env,
    PYTHONPATH: join(folder, "site"),
    LD_LIBRARY_PATH: join(folder, "lib"),
  };
  if (loads(python, env)) return { python, env };
  if (!existsSync(builder)) return "no CUDA, and nothing to stand in for it (TFC_CUDA_STAND_IN)";
  rmSync(join(folder, "site"), { recursive: true, force: true });
  const { status, stderr } = spawnSync(python, [builder, folder], { encoding: "utf8", timeout: 240_000 });
  if (status !== 0) return `onnxruntime-gpu cannot be had: ${stderr.trim().split("\n").at(-1) ?? ""}`;
  return loads(python, env) ? { python, env } : "the stand-ins of CUDA do not load";
}

/** Whether sessions of the CUDA provider are made. */
function loads(python: string, env: NodeJS.ProcessEnv): boolean {
  if (env["PYTHONPATH"] === undefined || !existsSync(env["PYTHONPATH"])) return false;
  const script = `
import onnxruntime as ort
assert "CUDAExecutionProvider" in ort.get_available_providers()`;
  return spawnSync(python, ["-c", script], { env, timeout: 60_000 }).status === 0;
}

const script = `
import json, os, sys
import onnxruntime as ort
files, folder, optimize = json.load(sys.stdin)
for i, file in enumerate(files):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    written = os.path.join(folder, str(i) + ".onnx")
    options.optimized_model_filepath = written
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", str(i) + ".data")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    said = {"file": file, "error": None, "cuda": [], "cpu": [], "written": written}
    try:
        session = ort.InferenceSession(file, options, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
        for part in session.get_provider_graph_assignment_info():
            own = said["cuda" if part.ep_name.startswith("CUDA") else "cpu"]
            # What two nodes read dequantized is dequantized twice, by a node that onnxruntime adds.
            own.extend(n.op_type for n in part.get_nodes() if "/duplicated" not in n.name)
    except Exception as error:
        said["error"] = str(error).split("\\n")[0]
    print(json.dumps(said), flush=True)
`;

/** Where onnxruntime puts the nodes of models: of the graphs as they are, or as it rewrites them first. */
export function partition(
  { python, env }: Partitioner,
  files: readonly string[],
  { optimize }: { readonly optimize: boolean },
): { readonly partitions: readonly Partition[]; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "tfc-partition-"));
  const { status, stdout, stderr } = spawnSync(python, ["-c", script], {
    input: JSON.stringify([files, folder, optimize]),
    encoding: "utf8",
    env,
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(stderr);
  const partitions = stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Partition);
  return {
    partitions,
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

/** Op types that are not among those of some nodes, one for one. */
export function lessOf(
  types: readonly string[],
  nodes: readonly { readonly op: string }[],
): readonly string[] {
  const left = nodes.map(({ op }) => op.split("::").at(-1));
  return types.filter((type) => {
    const at = left.indexOf(type);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Values copied between CPU and GPU, of a written graph, that are neither its inputs nor its outputs. */
export function copiesIn(written: string): readonly string[] {
  const { graph } = onnx.ModelProto.decode(readFileSync(written));
  const ports = new Set([...(graph?.input ?? []), ...(graph?.output ?? [])].map(({ name }) => name));
  return copyNodes(graph).flatMap(({ opType, input, output }) => {
    const [from, to] = [input?.[0] ?? "", output?.[0] ?? ""];
    return ports.has(from) || ports.has(to) ? [] : [`${opType ?? ""} ${from}`];
  });
}

/** The nodes that copy, in a graph and in those inside it. */
function copyNodes(graph: proto.onnx.IGraphProto | null | undefined): readonly proto.onnx.INodeProto[] {
  return (graph?.node ?? []).flatMap((node) => [
    ...(node.opType?.startsWith("Memcpy") === true ? [node] : []),
    ...(node.attribute ?? []).flatMap(({ g }) => copyNodes(g)),
  ]);
}
