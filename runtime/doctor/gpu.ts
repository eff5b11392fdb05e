import { readFileSync } from "node:fs";
import { ask } from "./ask.ts";

/** NVIDIA's driver and the cards it sees. */
export interface Driver {
  readonly version: string;
  /** empty where only the kernel's module was found, and nvidia-smi was not */
  readonly gpus: readonly Gpu[];
}

/** A card. */
export interface Gpu {
  readonly name: string;
  /** bytes */
  readonly memory: number;
  /** compute capability, such as "9.0" */
  readonly capability: string;
}

const QUERY = ["--query-gpu=driver_version,name,memory.total,compute_cap", "--format=csv,noheader,nounits"];
const MODULE = "/proc/driver/nvidia/version";

/** The least driver for a major version of CUDA (https://docs.nvidia.com/deploy/cuda-compatibility). */
const LEAST: ReadonlyMap<number, number> = new Map([
  [11, 450],
  [12, 525],
  [13, 580],
]);

/** The driver by nvidia-smi, else by the kernel's module; null where neither is there. */
export function nvidiaDriver(): Driver | null {
  const { status, stdout } = ask("nvidia-smi", QUERY, { patience: 20 });
  const rows = status === 0 ? stdout.trim().split("\n") : [];
  const cells = rows.map((row) => row.split(",").map((cell) => cell.trim()));
  const [version = ""] = cells[0] ?? [];
  if (/^\d/.test(version)) {
    const gpus = cells.map(([, name = "", memory = "", capability = ""]) => ({
      name,
      memory: Number(memory) * 2 ** 20,
      capability,
    }));
    return { version, gpus };
  }
  const loaded = moduleVersion();
  return loaded === null ? null : { version: loaded, gpus: [] };
}

/** `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  …`, and the like of open modules */
function moduleVersion(): string | null {
  try {
    return /^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s/m.exec(readFileSync(MODULE, "utf8"))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** The version that a driver must have at least for a CUDA, where this one is older. */
export function driverWanted(driver: Driver, cuda: number): number | null {
  const least = LEAST.get(cuda);
  return least !== undefined && Number.parseInt(driver.version, 10) < least ? least : null;
}
