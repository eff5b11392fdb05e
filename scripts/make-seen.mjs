/**
 * Writes docs/errors-seen.json: of each message that the tests of messages have commands print, one command and what it
 * said, for the pages of messages. Runs these tests: `npm run docs:seen`, or with files of other tests behind it, which
 * add to what is there.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { format } from "prettier";

process.chdir(resolve(import.meta.dirname, ".."));
const { codes } = await import("../dist/compiler/diagnostics/codes.js");
const target = "docs/errors-seen.json";
const folder = mkdtempSync(join(tmpdir(), "tfc-seen-"));
const file = join(folder, "seen.jsonl");
const asked = process.argv.slice(2);
const tests = asked.length > 0 ? asked : ["test/diagnostics"];
const jest = [
  "--experimental-vm-modules",
  "--disable-warning=ExperimentalWarning",
  "node_modules/jest/bin/jest.js",
];
spawnSync(process.execPath, [...jest, "--silent", ...tests], {
  env: { ...process.env, TFC_SEEN: file },
  stdio: "inherit",
});
const lines = existsSync(file)
  ? readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
  : [];
rmSync(folder, { recursive: true });

const before = asked.length > 0 && existsSync(target) ? JSON.parse(readFileSync(target, "utf8")) : {};
const seen = new Map(Object.entries(before));
for (const { args, stderr } of lines) {
  const command = plain(args.map(quoted).join(" "));
  for (const message of plain(stderr).split(/\n(?=\S)/)) {
    const [, code] = /^(?:.*?: )?(?:error|warning|note) ([A-Z][A-Z0-9_]+):/.exec(message) ?? [];
    // A bug of tfc is made up in a test.
    if (code === undefined || code === "INTERNAL" || !(code in codes) || hasMachine(`${command} ${message}`))
      continue;
    const one = { command, message: message.trimEnd() };
    const other = seen.get(code);
    if (other === undefined || sizeOf(one) < sizeOf(other)) seen.set(code, one);
  }
}
const sorted = Object.fromEntries(
  [...seen].filter(([code]) => code in codes).sort(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(target, await format(JSON.stringify(sorted), { parser: "json" }));
console.log(`${Object.keys(sorted).length} of ${Object.keys(codes).length} messages have an example`);

/** The shorter one is the easier one to read, and what two tests print alike comes from either. */
function sizeOf({ command, message }) {
  // An empty word says little about what went wrong.
  return command.length + message.length + (command.includes("''") ? 1000 : 0);
}

function quoted(word) {
  return /^[\w./=,@+:-]+$/.test(word) ? word : `'${word}'`;
}

/** Without the folders that tests make, and that of the repository. */
function plain(text) {
  const temporary = new RegExp(`${tmpdir()}/tfc-[\\w-]+/?`, "g");
  const names = { onnx: "model", safetensors: "adapter", pt: "checkpoint_1", json: "tfc.config" };
  return text
    .replaceAll(`${process.cwd()}/`, "")
    .replace(temporary, "")
    .replace(/-[\w]{6}(?=\/)/g, "")
    .replace(/(?<![\w./-])\d+\.(onnx|safetensors|pt|json)\b/g, (_, ending) => `${names[ending]}.${ending}`);
}

function hasMachine(text) {
  return /(?<![\w.}])\/(?:work|opt|tmp|root|home|usr|proc|dev)\/?/.test(text);
}
