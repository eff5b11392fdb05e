import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { inputError, type TfcError } from "../../../compiler/diagnostics/error.ts";
import { ask, type Answer, type Asking } from "../ask.ts";
import { lastLine } from "./python.ts";

/** A file of the package index that pip has chosen. */
export interface Chosen {
  readonly version: string;
  readonly url: string;
  /** hex, as the index gives it */
  readonly sha256: string;
  /** the Python whose wheel it is: what the libraries in it do not depend on */
  readonly python: string;
}

const PACKAGE = "onnxruntime-gpu";
/** Wheels are made for each Python; the first that a version has will do. */
const PYTHONS = ["3.12", "3.13", "3.11"];
const PLATFORMS = [
  "manylinux_2_28_x86_64",
  "manylinux_2_27_x86_64",
  "manylinux_2_17_x86_64",
  "manylinux2014_x86_64",
];
const ABSENT = /No matching distribution found|Could not find a version/;
const OFFLINE = /connection|Max retries|Temporary failure|ProxyError|timed out|SSLError|Name or service/i;

/**
 * Asks pip which file of the package index is this version of onnxruntime-gpu. The index, proxies and the like are
 * what the person's pip is set up with.
 *
 * @throws TfcError CUDA_INSTALL_PACKAGE
 */
export function chooseWheel(python: string, version: string, folder: string): Chosen {
  let refusal = "";
  for (const target of PYTHONS) {
    const { status, stdout, stderr } = pip(python, [
      ...["install", "--dry-run", "--quiet", "--report", "-", "--ignore-installed", "--target", folder],
      ...wheelOf(target),
      `${PACKAGE}==${version}`,
    ]);
    if (status === 0) return chosen(stdout, target);
    refusal ||= stderr;
    if (OFFLINE.test(stderr) || !ABSENT.test(stderr)) break;
  }
  throw refused(version, refusal);
}

/**
 * Has pip fetch the file, which it refuses unless its hash is the one given.
 *
 * @param showsProgress lets pip write to stderr how far it is
 * @returns the wheel's path
 * @throws TfcError CUDA_INSTALL_PACKAGE
 */
export function downloadWheel(
  python: string,
  { version, sha256, python: target }: Chosen,
  folder: string,
  showsProgress: boolean,
): string {
  const requirements = path.join(folder, "requirements.txt");
  writeFileSync(requirements, `${PACKAGE}==${version} --hash=sha256:${sha256}\n`);
  const downloads = path.join(folder, "wheel");
  const { status, stderr } = pip(
    python,
    ["download", "--require-hashes", "--dest", downloads, ...wheelOf(target), "--requirement", requirements],
    { showsProgress },
  );
  const wheels = status === 0 ? readdirSync(downloads).filter((name) => name.endsWith(".whl")) : [];
  if (wheels[0] === undefined) throw refused(version, stderr);
  return path.join(downloads, wheels[0]);
}

function wheelOf(python: string): readonly string[] {
  const abi = `cp${python.replace(".", "")}`;
  return [
    ...[
      "--no-deps",
      "--only-binary",
      ":all:",
      "--implementation",
      "cp",
      "--python-version",
      python,
      "--abi",
      abi,
    ],
    ...PLATFORMS.flatMap((platform) => ["--platform", platform]),
  ];
}

function pip(python: string, args: readonly string[], asking: Asking = {}): Answer {
  return ask(python, ["-m", "pip", ...args, "--disable-pip-version-check"], asking);
}

/** @see https://pip.pypa.io/en/stable/reference/installation-report */
function chosen(report: string, python: string): Chosen {
  const { install } = JSON.parse(report) as {
    install: readonly {
      metadata: { version: string };
      download_info: { url: string; archive_info?: { hash?: string; hashes?: { sha256?: string } } };
    }[];
  };
  const [one] = install;
  const { hash, hashes } = one?.download_info.archive_info ?? {};
  const sha256 = hashes?.sha256 ?? hash?.replace(/^sha256=/, "") ?? "";
  return { version: one?.metadata.version ?? "", url: one?.download_info.url ?? "", sha256, python };
}

function refused(version: string, stderr: string): TfcError {
  const found =
    lastLine(stderr.split("\n").findLast((line) => line.startsWith("ERROR")) ?? stderr) ?? "nothing";
  const fix = OFFLINE.test(stderr)
    ? "check the network, and pip's index and proxy (`pip config list`)"
    : /No space left/i.test(stderr)
      ? "make room for temporary files, or point TMPDIR to where there is some"
      : "install a version of onnxruntime-node that onnxruntime-gpu has as well: `pip index versions onnxruntime-gpu` lists them";
  return inputError(
    "CUDA_INSTALL_PACKAGE",
    {},
    { wanted: `${PACKAGE} ${version}, for Linux x64`, found, fix },
  );
}
