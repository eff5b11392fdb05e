import { inputError, type TfcError } from "../../compiler/diagnostics/error.ts";
import { installedBinding, type Binding } from "../session/binding.ts";
import { cudaObstacle } from "../session/devices.ts";
import { cudaReport, hasCudaProvider, type CudaReport } from "./cuda.ts";
import { disks, memory, type Disk, type Memory } from "./machine.ts";
import { probeProvider, type Probe } from "./probe.ts";

/** The execution providers that a decoder can be run on from Node. */
export type Needed = "cpu" | "cuda" | "webgpu";

/** One provider, tried. */
export interface ProviderState extends Probe {
  readonly provider: Needed;
}

/** What there is to run graphs with. */
export interface DoctorReport {
  /** whether graphs run on the provider that is needed */
  readonly ready: boolean;
  readonly needed: Needed;
  readonly node: NodeState;
  /** null where the package is not installed */
  readonly onnxruntime: { readonly version: string; readonly folder: string } | null;
  readonly providers: readonly ProviderState[];
  /** null where onnxruntime has no CUDA provider for the machine, or is not installed */
  readonly cuda: CudaReport | null;
  readonly memory: Memory;
  readonly disks: readonly Disk[];
}

/** The version of Node, and whether tfc runs on it. */
export interface NodeState {
  readonly version: string;
  readonly supported: boolean;
  readonly wanted: string;
}

const PROVIDERS: readonly Needed[] = ["cpu", "cuda", "webgpu"];
/** As in package.json. */
const NODES = {
  wanted: "20.19 or later, 22.12 or later, but not 21",
  least: new Map<number, number>([[20, 19]]),
  from: [22, 12],
} as const;

/**
 * Looks what there is to run graphs with: Node, onnxruntime-node, its execution providers, each tried in a process of
 * its own, what CUDA needs, memory and disks. Changes nothing.
 *
 * @param needed the provider that has to work for the report to say `ready`. Default "cpu".
 */
export function doctor(needed: Needed = "cpu"): DoctorReport {
  const binding = installedBinding();
  const cuda = binding === null || !hasCudaProvider() ? null : cudaReport(binding);
  const providers = binding === null ? [] : PROVIDERS.map((provider) => stateOf(binding, provider, cuda));
  const node = nodeState(process.versions.node);
  const works = providers.some(({ provider, usable }) => provider === needed && usable);
  return {
    ready: node.supported && works,
    needed,
    node,
    onnxruntime: binding === null ? null : { version: binding.version, folder: binding.folder },
    providers,
    cuda,
    memory: memory(),
    disks: disks(),
  };
}

/** The error that a report which is not ready stands for. */
export function doctorError({ node, onnxruntime, providers, needed, cuda }: DoctorReport): TfcError {
  if (!node.supported)
    return inputError("NODE_UNSUPPORTED", {}, { wanted: node.wanted, found: node.version });
  if (onnxruntime === null) return inputError("RUNTIME_MISSING", {}, {});
  const why = providers.find(({ provider }) => provider === needed)?.why ?? "it did not run";
  const steps = needed === "cuda" ? (cuda?.steps ?? ["run on Linux x64"]) : [FIXES[needed]];
  return inputError("RUNTIME_PROVIDER", {}, { provider: needed, why, fix: steps.join("; ") });
}

const FIXES = {
  cpu: "npm install onnxruntime-node",
  webgpu: "install a Vulkan driver for the graphics card (on Linux; Windows and macOS have what it needs)",
};

function stateOf({ folder }: Binding, provider: Needed, cuda: CudaReport | null): ProviderState {
  const why = provider === "cuda" ? (cudaObstacle()?.why ?? missingText(cuda)) : undefined;
  return why === undefined
    ? { provider, ...probeProvider(folder, provider) }
    : { provider, usable: false, why };
}

/** What the provider needs and would not find: onnxruntime only says that it did not load. */
function missingText(cuda: CudaReport | null): string | undefined {
  const missing = cuda?.libraries.filter(({ file, optional }) => file === null && !optional) ?? [];
  return missing.length === 0 ? undefined : `not found: ${missing.map(({ name }) => name).join(", ")}`;
}

/** Whether a version of Node is one that package.json admits. */
export function nodeState(version: string): NodeState {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [from, fromMinor] = NODES.from;
  const least = NODES.least.get(major);
  const supported =
    major > from || (major === from && minor >= fromMinor) || (least !== undefined && minor >= least);
  return { version, supported, wanted: NODES.wanted };
}
