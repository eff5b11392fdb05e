import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";

/** What a Python that only pretends to have pip answers. */
export interface Pretence {
  /** of `pip --version`; null: there is no pip */
  readonly pip?: string | null;
  /** what the index is said to have: versions, each by the file's SHA-256 */
  readonly index?: Readonly<Record<string, string>>;
  /** what pip says in place of fetching */
  readonly refusal?: string;
  /** the bytes that are fetched, whatever was asked for */
  readonly wheel?: string;
  /** what is said to be in them */
  readonly members?: Readonly<Record<string, string>>;
  readonly metadata?: string;
  readonly record?: string;
}

const PROGRAM = `
const fs = require("node:fs");
const path = require("node:path");
const pretence = JSON.parse(fs.readFileSync(__filename + ".json", "utf8"));
const [flag, ...args] = process.argv.slice(2);
fs.appendFileSync(__filename + ".log", JSON.stringify([flag, ...args].filter((one) => !one.includes("\\n"))) + "\\n");
const fail = (text) => { process.stderr.write(text + "\\n"); process.exit(1); };
if (flag === "-c") {
  const [wheel, ...pairs] = args.slice(1);
  for (let i = 0; i < pairs.length; i += 2) {
    const bytes = pretence.members[pairs[i]];
    if (bytes === undefined) fail("KeyError: \\"There is no item named '" + pairs[i] + "' in the archive\\"");
    fs.writeFileSync(pairs[i + 1], bytes);
  }
  console.log(JSON.stringify({ metadata: pretence.metadata, record: pretence.record }));
} else if (args[1] === "--version") {
  if (pretence.pip === null) fail("/usr/bin/python3: No module named pip");
  console.log(pretence.pip);
} else if (args[1] === "install") {
  const version = /==(.*)$/.exec(args.find((one) => one.startsWith("onnxruntime-gpu==")))[1];
  const sha256 = pretence.index[version];
  if (pretence.refusal !== undefined) fail(pretence.refusal);
  if (sha256 === undefined) {
    const versions = Object.keys(pretence.index).join(", ") || "none";
    fail("ERROR: Could not find a version that satisfies the requirement onnxruntime-gpu==" + version + " (from versions: " + versions + ")\\nERROR: No matching distribution found for onnxruntime-gpu==" + version);
  }
  const url = "https://index.example/onnxruntime_gpu-" + version + ".whl";
  const one = { metadata: { version }, download_info: { url, archive_info: { hashes: { sha256 } } } };
  console.log(JSON.stringify({ install: [one] }));
} else {
  const folder = args[args.indexOf("--dest") + 1];
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, "onnxruntime_gpu.whl"), pretence.wheel);
}
`;

/** Writes such a Python; gives its path. `${path}.log` has the words of each call, one JSON array a line. */
export function fakePython(file: string, pretence: Pretence): string {
  writeFileSync(`${file}.json`, JSON.stringify(pretence));
  writeFileSync(file, `#!${process.execPath}\n${PROGRAM}`, { mode: 0o755 });
  return file;
}

/** A wheel's line about one of its members. */
export function recordOf(name: string, content: string): string {
  const hash = createHash("sha256").update(content).digest("base64url");
  return `${name},sha256=${hash},${content.length}`;
}

/** A Python whose index has one version, in which everything is as it should be. */
export function honest(version: string, libraries: Readonly<Record<string, string>>): Pretence {
  const members = Object.fromEntries(
    Object.entries(libraries).map(([name, content]) => [path.posix.join("onnxruntime/capi", name), content]),
  );
  const wheel = JSON.stringify(members);
  return {
    pip: "pip 23.2.1 from /site/pip (python 3.11)",
    index: { [version]: createHash("sha256").update(wheel).digest("hex") },
    wheel,
    members,
    metadata: `Metadata-Version: 2.4\nName: onnxruntime-gpu\nVersion: ${version}\n`,
    record: Object.entries(members)
      .map(([name, content]) => recordOf(name, content))
      .join("\n"),
  };
}
