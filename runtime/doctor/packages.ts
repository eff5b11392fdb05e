import { existsSync } from "node:fs";
import path from "node:path";
import { ask } from "./ask.ts";
import type { Library } from "./libraries.ts";

/** Packages of NVIDIA's on PyPI, by the library that they hold, without their ending for CUDA 12 and before. */
const PACKAGES: readonly (readonly [RegExp, string])[] = [
  [/^libcublas(Lt)?\.so/, "nvidia-cublas"],
  [/^libcudart\.so/, "nvidia-cuda-runtime"],
  [/^libcurand\.so/, "nvidia-curand"],
  [/^libcufft\.so/, "nvidia-cufft"],
  [/^libcusparse\.so/, "nvidia-cusparse"],
  [/^libcusolver\.so/, "nvidia-cusolver"],
  [/^libnvrtc\.so/, "nvidia-cuda-nvrtc"],
  [/^libnvJitLink\.so/, "nvidia-nvjitlink"],
  [/^libcudnn/, "nvidia-cudnn"],
];

/** Prints the folders of libraries that pip's packages of NVIDIA's bring, joined for LD_LIBRARY_PATH. */
const FOLDERS =
  'import glob, sysconfig; print(":".join(glob.glob(sysconfig.get_path("purelib") + "/nvidia/*/lib")))';

/** The major version of CUDA that a provider was built for, by the runtime it needs; null where it names none. */
export function cudaMajor(libraries: readonly Library[]): number | null {
  const names = libraries.map(({ name }) => /^lib(?:cudart|cublas)\.so\.(\d+)$/.exec(name)?.[1]);
  const major = names.find((one) => one !== undefined);
  return major === undefined ? null : Number(major);
}

/**
 * The commands that bring libraries which are missing, for a shell: packages, unless they are installed already, and
 * where to look for them. None for the driver's own, libcuda.so.1, which comes with no package.
 */
export function librariesFix(libraries: readonly Library[], python: string): readonly string[] {
  const major = cudaMajor(libraries);
  const missing = libraries.filter(({ name, file }) => file === null && packageOf(name, major) !== null);
  if (missing.length === 0) return [];
  const folders = ask(python, ["-c", FOLDERS]).stdout.trim().split(":");
  const absent = missing.filter(({ name }) => !folders.some((folder) => existsSync(path.join(folder, name))));
  const packages = new Set(absent.flatMap(({ name }) => packageOf(name, major) ?? []));
  const wanted = [...packages].map((one) => `'${one}'`).join(" ");
  return [
    ...(packages.size === 0 ? [] : [`${python} -m pip install ${wanted}`]),
    `export LD_LIBRARY_PATH="$(${python} -c '${FOLDERS}'):$LD_LIBRARY_PATH"`,
  ];
}

/** The package and its version, which begins with the soname's: `nvidia-curand==10.*`. */
function packageOf(library: string, major: number | null): string | null {
  const name = PACKAGES.find(([pattern]) => pattern.test(library))?.[1];
  if (name === undefined || major === null) return null;
  // From CUDA 13 on only cuDNN's package, whose version says nothing of CUDA's, has the ending.
  const ending = major < 13 || name === "nvidia-cudnn" ? `-cu${major}` : "";
  const version = /\.so\.(\d+)$/.exec(library)?.[1];
  return `${name}${ending}${version === undefined ? "" : `==${version}.*`}`;
}
