/**
 * Checks the docs against the code: `npm run docs:check`. Builds first where nothing has been built.
 *
 * - each pass has a page in docs/passes, which names its options and counters; each page has a pass
 * - each flag of each command is in docs/guide.md, and commands shown in any page have no other flags
 * - commands shown in `console` blocks print what the block says they print
 * - commands of tfc in `sh` blocks succeed, all but servers and what fetches files; samples stand for the reader's own
 *   files. What other programs do is not run
 * - each style that inspect names has a section in docs/styles.md
 * - each reason for not recognizing a block is explained in docs/passes
 * - each adapter kind has a page in docs/kinds, which names its leaves and settings
 * - docs/errors.md is what make-errors.mjs prints, docs/api.md what make-api.mjs does, docs/uml.svg what make-uml.mjs
 * - messages that docs/errors-seen.json shows are messages that there are
 * - relative links lead to files, and their anchors to headings
 * - no tracked text names a path of somebody's machine or a host of a package registry
 *
 * In a `console` block a line `…` stands for any lines, and a line that ends with `…` for any that begin so. Times
 * and sizes of files are not compared.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { apiPage } from "./make-api.mjs";
import { errorsPage } from "./make-errors.mjs";
import { umlPicture } from "./make-uml.mjs";
import { standIns } from "./stand-ins.mjs";

process.chdir(resolve(import.meta.dirname, ".."));
if (!existsSync("dist/compiler/cli/main.js")) {
  execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
}
const { passes } = await import("../dist/passes/index.js");
const { freshAdapters, optionsOfKind } = await import("../dist/compiler/adapters/index.js");
const { codes } = await import("../dist/compiler/diagnostics/codes.js");

const problems = [];
const files = textFiles();
const pages = new Map(
  files.filter((file) => file.endsWith(".md")).map((file) => [file, readFileSync(file, "utf8")]),
);

checkPasses();
checkKinds();
checkMisses();
checkStyles();
await checkErrors();
await checkApi();
checkUml();
await checkFlags();
for (const [file, text] of pages) checkLinks(file, text);
for (const [file, text] of pages) checkConsole(file, text);
for (const [file, text] of pages) await checkShell(file, text);
for (const file of files) checkWords(file);

for (const problem of problems) console.error(problem);
console.log(
  problems.length === 0 ? `docs: ${pages.size} pages checked` : `docs: ${problems.length} problems`,
);
process.exitCode = problems.length === 0 ? 0 : 1;

/** Files that git tracks or would track; without git, all but what is built or installed. */
function textFiles() {
  const git = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    encoding: "utf8",
  });
  const listed = git.status === 0 ? git.stdout.split("\0") : walk(".");
  const binary = /\.(onnx|data|safetensors|png|npy)$/;
  return listed.filter(
    (file) => file !== "" && !binary.test(file) && existsSync(file) && statSync(file).isFile(),
  );
}

function walk(folder) {
  const skipped = new Set([".git", "node_modules", "dist", "out", "coverage"]);
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? walk(path) : [path];
  });
}

function checkPasses() {
  const names = passes.map((pass) => pass.name);
  const found = readdirSync("docs/passes").map((file) => file.replace(/\.md$/, ""));
  for (const name of found) {
    if (!names.includes(name)) problems.push(`docs/passes/${name}.md: there is no pass ${name}`);
  }
  for (const { name, options, stats } of passes) {
    const page = pages.get(`docs/passes/${name}.md`);
    if (page === undefined) {
      problems.push(`docs/passes/${name}.md: the pass has no page`);
      continue;
    }
    for (const word of [...Object.keys(options), ...stats]) {
      if (!page.includes(`\`${word}\``)) problems.push(`docs/passes/${name}.md: \`${word}\` is missing`);
    }
  }
}

function checkKinds() {
  for (const { name, kind } of freshAdapters.values()) {
    const file = `docs/kinds/${name}.md`;
    const page = pages.get(file);
    if (page === undefined) problems.push(`${file}: the adapter kind has no page`);
    else
      for (const word of [...kind.leafNames, ...Object.keys(optionsOfKind(kind))])
        if (!page.includes(`\`${word}\``)) problems.push(`${file}: \`${word}\` is missing`);
  }
}

/** The codes of misses are a type, which no built file holds: they are read from the source, as far as they are used. */
function checkMisses() {
  const sources = readdirSync("compiler/recognize", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(`compiler/recognize/${file}`, "utf8"));
  const uses = sources.filter((source) => !source.includes("type MissCode =")).join("\n");
  const codes = new Set([...uses.matchAll(/"((?:ATTENTION|MLP|REGION)_\w+)"/g)].map(([, code]) => code));
  if (codes.size === 0) problems.push("compiler/recognize: no codes of misses were found");
  const explained = [...pages]
    .filter(([file]) => file.startsWith("docs/passes/"))
    .map(([, text]) => text)
    .join("\n");
  for (const code of codes) {
    if (!explained.includes(`\`${code}\``)) problems.push(`docs/passes: no page explains \`${code}\``);
  }
}

function checkStyles() {
  const [, union = ""] =
    /export type Style =([^;]*);/.exec(readFileSync("compiler/recognize/model/style.ts", "utf8")) ?? [];
  const styles = [...union.matchAll(/"([\w-]+)"/g)].map(([, style]) => style);
  if (styles.length === 0) problems.push("compiler/recognize/model/style.ts: no styles were found");
  const page = pages.get("docs/styles.md") ?? "";
  for (const style of styles) {
    if (!page.includes(`\n## ${style}\n`)) problems.push(`docs/styles.md: ${style} has no section`);
  }
}

async function checkErrors() {
  if (pages.get("docs/errors.md") !== (await errorsPage())) {
    problems.push("docs/errors.md: not what the codes say: npm run docs:errors");
  }
  for (const code of Object.keys(JSON.parse(readFileSync("docs/errors-seen.json", "utf8"))))
    if (!(code in codes))
      problems.push(`docs/errors-seen.json: there is no message ${code}: npm run docs:seen`);
}

function checkUml() {
  if (readFileSync("docs/uml.svg", "utf8") !== umlPicture())
    problems.push("docs/uml.svg: not what the sources have: npm run docs:uml");
}

async function checkApi() {
  try {
    if (pages.get("docs/api.md") !== (await apiPage())) {
      problems.push("docs/api.md: not what the comments of the exports say: npm run docs:api");
    }
  } catch (error) {
    problems.push(`docs/api.md: ${error.message}`);
  }
}

async function checkFlags() {
  const guide = pages.get("docs/guide.md") ?? "";
  const commands = await commandFlags();
  for (const [command, flags] of commands) {
    if (!guide.includes(`tfc ${command}`))
      problems.push(`docs/guide.md: the command tfc ${command} is missing`);
    for (const flag of flags) {
      if (!guide.includes(`\`${flag}`)) problems.push(`docs/guide.md: ${flag} of tfc ${command} is missing`);
    }
  }
  for (const [file, text] of pages) {
    for (const [line, command] of text.matchAll(/^(?:\$ )?npx tfc (\w+)[^\n]*$/gm)) {
      const known = commands.get(command);
      if (known === undefined) problems.push(`${file}: there is no command: ${line}`);
      for (const [flag] of line.matchAll(/--[a-z-]+/g)) {
        if (known?.includes(flag) === false) problems.push(`${file}: there is no flag ${flag}: ${line}`);
      }
    }
  }
}

/** The long flags of each command. */
async function commandFlags() {
  const { programFor } = await import("../dist/compiler/cli/commands.js");
  const found = new Map();
  for (const command of (await programFor()).commands) {
    const own = command.options.map((option) => option.long);
    // A command of commands has the flags of them all.
    for (const inner of command.commands) {
      const flags = inner.options.map((option) => option.long);
      found.set(`${command.name()} ${inner.name()}`, flags);
      own.push(...flags);
    }
    found.set(command.name(), own);
  }
  return found;
}

function checkLinks(file, text) {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
  for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path, anchor] = target.split("#");
    const to = path === "" ? file : relative(".", resolve(dirname(file), decodeURI(path)));
    if (!existsSync(to)) problems.push(`${file}: the link ${target} leads nowhere`);
    else if (anchor !== undefined && to.endsWith(".md") && !anchors(readFileSync(to, "utf8")).has(anchor)) {
      problems.push(`${file}: the link ${target} leads to no heading`);
    }
  }
}

/** Anchors of a page's headings, as GitHub makes them. */
function anchors(text) {
  const headings = [...text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ +(.*)$/gm)];
  return new Set(
    headings.map(([, heading]) =>
      heading
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function checkConsole(file, text) {
  for (const [, block] of text.matchAll(/^```console\n([\s\S]*?)^```/gm)) {
    const [head = "", ...wanted] = block.trimEnd().split("\n");
    const [, args] = /^\$ npx tfc (.*)$/.exec(head) ?? [];
    if (args === undefined) {
      problems.push(`${file}: a console block begins with "$ npx tfc", not ${head}`);
      continue;
    }
    const { stdout, stderr } = spawnSync(process.execPath, ["bin/tfc.js", ...args.split(" ")], {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    const wrong = firstDifference(wanted, `${stderr}${stdout}`.trimEnd().split("\n"));
    if (wrong !== null) problems.push(`${file}: ${head}\n${wrong}`);
  }
}

/**
 * Runs the commands of a page's `sh` blocks, in their order: those that name samples here, others in a folder where
 * samples stand for the reader's files.
 */
async function checkShell(file, text) {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .map(([, block]) => ({ block, commands: commandsIn(block) }))
    .filter(({ commands }) => commands.length > 0);
  const onSamples = ({ commands }) => /\bsamples\//.test(commands[0]) && !/\bsmollm2\b/.test(commands[0]);
  let folder = null;
  for (const one of blocks) {
    if (!onSamples(one) && folder === null) {
      folder = mkdtempSync(join(tmpdir(), "tfc-docs-"));
      await standIns(folder);
    }
    const cwd = onSamples(one) ? "." : folder;
    const npx = `npx() { shift; '${process.execPath}' '${resolve("bin/tfc.js")}' "$@"; }`;
    const { status, stderr } = spawnSync("sh", ["-e", "-c", `${npx}\n${one.commands.join("\n")}`], {
      cwd,
      encoding: "utf8",
      input: "Who are you?\n",
    });
    if (status !== 0) problems.push(`${file}: this fails\n${one.block}${stderr}`);
  }
  if (folder !== null) rmSync(folder, { recursive: true });
}

/**
 * The commands of tfc in a block, with what makes folders for them: all but servers and what fetches files, up to one of
 * another program, whose results the next may need.
 */
function commandsIn(block) {
  const commands = block.replace(/\\\n\s*/g, " ").split("\n");
  const other = commands.findIndex((line) => !/^(npx tfc|mkdir|cp|pip) |^(#|$)/.test(line));
  return commands
    .slice(0, other < 0 ? commands.length : other)
    .filter((line) => /^(npx tfc|mkdir|cp) /.test(line) && !/^npx tfc (serve\b|doctor --install)/.test(line));
}

/** Null, or the first line of a block that the output does not have in its place. */
function firstDifference(wanted, got) {
  let at = 0;
  let mayskip = false;
  for (const line of wanted) {
    if (line === "…") {
      mayskip = true;
      continue;
    }
    const place = mayskip ? got.findIndex((other, i) => i >= at && agrees(line, other)) : at;
    if (place < 0 || !agrees(line, got[place] ?? "")) {
      return `  the page says  ${line}\n  tfc prints     ${mayskip ? "no such line" : (got[place] ?? "nothing more")}`;
    }
    at = place + 1;
    mayskip = false;
  }
  return mayskip || at === got.length ? null : `  the page ends before  ${got[at]}`;
}

function agrees(line, printed) {
  if (line.endsWith("…")) return printed.startsWith(line.slice(0, -1));
  const plain = (text) =>
    text
      .replace(/^(time +)[\d.]+ ms$/, "$1")
      .replace(/ {2}[\d.]+ [kMG]?B(?=$|,)/, "")
      .trimEnd();
  return plain(line) === plain(printed);
}

/** Names that belong to one machine or one network; written so that they are not found in this file. */
function checkWords(file) {
  const bad = [
    [/(?<![\w.}])\/(?:work|opt|tmp|root|home)\/[A-Za-z]\S*/, "a path of a machine"],
    [
      /\b(?:registry\.(?:npmjs|yarnpkg)\.\w+|files\.pythonhosted\.org|pypi\.org|npm\.pkg\.github\.com)\b/,
      "a registry's host",
    ],
  ];
  const lines = readFileSync(file, "utf8").split("\n");
  lines.forEach((line, i) => {
    for (const [pattern, what] of bad) {
      const [found] = pattern.exec(line) ?? [];
      if (found !== undefined) problems.push(`${file}:${i + 1}: ${what}: ${found}`);
    }
  });
}
