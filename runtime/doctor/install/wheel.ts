import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { inputError, type TfcError } from "../../../compiler/diagnostics/error.ts";
import { ask } from "../ask.ts";
import { lastLine } from "./python.ts";

/** A member of a wheel, and the file that it is written to. */
export interface Member {
  readonly name: string;
  readonly file: string;
}

/**
 * Python's own zipfile, which checks each member's checksum: argv holds the wheel, then pairs of member and file. Prints
 * the wheel's METADATA and RECORD as JSON.
 */
const PROGRAM = `
import json, os, shutil, sys, zipfile
wheel, *pairs = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
    text = lambda end: archive.read(next(n for n in names if n.endswith(".dist-info/" + end))).decode()
    for member, path in zip(pairs[::2], pairs[1::2]):
        with archive.open(member) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
    print(json.dumps({"metadata": text("METADATA"), "record": text("RECORD")}))
`;

/** The SHA-256 of a file, in hex. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/**
 * Unpacks some members of a wheel, and nothing else of it. The wheel must be of the version wanted, and each member what
 * the wheel's own list says.
 *
 * @throws TfcError CUDA_INSTALL_WHEEL, CUDA_INSTALL_WRITE
 */
export async function unpack(
  python: string,
  wheel: string,
  version: string,
  members: readonly Member[],
): Promise<void> {
  const pairs = members.flatMap(({ name, file }) => [name, file]);
  const { status, stdout, stderr, failure } = ask(python, ["-c", PROGRAM, wheel, ...pairs]);
  if (status !== 0) {
    const found = lastLine(stderr) ?? failure ?? "nothing";
    const [first] = members;
    if (/OSError|PermissionError/.test(found))
      throw inputError("CUDA_INSTALL_WRITE", { file: first?.file ?? "" }, { found });
    throw wrong(wheel, `a wheel with ${members.map(({ name }) => name).join(" and ")}`, found);
  }
  const { metadata, record } = JSON.parse(stdout) as { metadata: string; record: string };
  const own = /^Version: (.*)$/m.exec(metadata)?.[1]?.trim() ?? "none";
  if (own !== version) throw wrong(wheel, `version ${version}`, own);
  for (const { name, file } of members) {
    const wanted = recorded(record, name);
    const found = await sha256Of(file);
    if (found !== wanted) throw wrong(wheel, `${name} of SHA-256 ${wanted ?? "in its RECORD"}`, found);
  }
}

/** A line of RECORD is `name,sha256=<base64url without padding>,size`. */
function recorded(record: string, name: string): string | null {
  const line = record.split(/\r?\n/).find((one) => one.startsWith(`${name},sha256=`));
  const hash = line?.slice(name.length + ",sha256=".length).split(",")[0];
  return hash === undefined ? null : Buffer.from(hash, "base64url").toString("hex");
}

function wrong(wheel: string, wanted: string, found: string): TfcError {
  return inputError("CUDA_INSTALL_WHEEL", { file: wheel }, { wanted, found });
}
