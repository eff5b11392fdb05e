import { existsSync } from "node:fs";
import path from "node:path";
import { ask } from "./ask.ts";
import { elfDynamic } from "./elf.ts";

/** A shared library that another one needs. */
export interface Library {
  /** its soname: `libcublas.so.13` */
  readonly name: string;
  /** the file that the dynamic linker would take, or null */
  readonly file: string | null;
  /** whether what needs it loads without it, and asks for it later */
  readonly optional: boolean;
}

/** Where the dynamic linker looks when neither a library nor the environment says it. */
const DEFAULT_FOLDERS = [
  "/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
];

/** Parts of every system, of which nothing is said while they are there. */
const SYSTEM = /^(lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|util|resolv)\.so|ld-linux)/;

/** What the provider opens when an operator asks for it: cuDNN, for convolutions. */
const LATER = ["libcudnn.so.9"];

/** What the provider of onnxruntime 1.30 needs, said while it is not there to say it. */
const EXPECTED = [
  "libcublasLt.so.13",
  "libcublas.so.13",
  "libcudart.so.13",
  "libcurand.so.10",
  "libcuda.so.1",
];

/** The libraries that a CUDA provider will need which is not installed yet. */
export function expectedLibraries(): readonly Library[] {
  const cache = linkerCache();
  return [...EXPECTED, ...LATER].map((name) => ({
    name,
    file: find(name, [], cache),
    optional: LATER.includes(name),
  }));
}

/**
 * The libraries that a CUDA provider needs, each found or missing, and what those need in turn. Nothing is loaded: the
 * linker's rules are followed (`man ld.so`): LD_LIBRARY_PATH, the library's own path, the cache, the default folders.
 */
export function librariesOf(provider: string): readonly Library[] {
  const found = new Map<string, Library>();
  const cache = linkerCache();
  const queue = [provider];
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const dynamic = elfDynamic(file);
    for (const name of dynamic?.needed ?? []) {
      if (found.has(name)) continue;
      const own = (dynamic?.runpath ?? []).map((folder) =>
        folder.replace(/\$(ORIGIN|\{ORIGIN\})/, path.dirname(file)),
      );
      const at = find(name, own, cache);
      found.set(name, { name, file: at, optional: false });
      if (at !== null && !SYSTEM.test(name)) queue.push(at);
    }
  }
  for (const name of LATER) {
    if (!found.has(name)) found.set(name, { name, file: find(name, [], cache), optional: true });
  }
  return [...found.values()].filter(({ name, file }) => file === null || !SYSTEM.test(name));
}

function find(name: string, own: readonly string[], cache: ReadonlyMap<string, string>): string | null {
  const given = (process.env["LD_LIBRARY_PATH"] ?? "").split(":").filter((folder) => folder !== "");
  const cached = cache.get(name);
  const files = [
    ...[...given, ...own].map((folder) => path.join(folder, name)),
    ...(cached === undefined ? [] : [cached]),
    ...DEFAULT_FOLDERS.map((folder) => path.join(folder, name)),
  ];
  return files.find((file) => existsSync(file)) ?? null;
}

/** What /etc/ld.so.cache has for this architecture; empty where there is no ldconfig. */
function linkerCache(): ReadonlyMap<string, string> {
  const { stdout } = ask("ldconfig", ["-p"], {
    // It is no command for everyone, and then not on everyone's path.
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/sbin:/usr/sbin` },
  });
  const lines = [...stdout.matchAll(/^\s*(\S+) \(([^)]*)\) => (\S+)$/gm)];
  const entries = lines
    .filter(([, , kind = ""]) => kind.includes("x86-64"))
    .map(([, name = "", , file = ""]) => [name, file] as const);
  // The first entry counts, as for the linker.
  return new Map([...entries].reverse());
}
