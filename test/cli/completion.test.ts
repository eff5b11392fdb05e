import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { programFor } from "../../compiler/cli/commands.ts";
import { offerOf } from "../../compiler/cli/flags.ts";
import { completion } from "../../compiler/cli/completion/command.ts";
import { scripts, type Shell } from "../../compiler/cli/completion/scripts.ts";
import { wordsOfLine } from "../../compiler/cli/completion/words-of-line.ts";
import { passes } from "../../passes/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";

/** The words offered, and the last line. */
async function offered(...words: readonly string[]): Promise<readonly [readonly string[], string]> {
  const lines = (await completion(words)).trimEnd().split("\n");
  const last = lines.pop() ?? "";
  return [lines.map((line) => line.split("\t")[0] ?? ""), last.split("\t").slice(0, 2).join(" ")];
}

describe("what could be typed next", () => {
  it.each<[string, readonly string[], readonly string[], string]>([
    ["a command", ["comp"], ["compile", "completion"], "none end"],
    ["a command in a command", ["adapter", "e"], ["export", "extract"], "none end"],
    ["a flag", ["compile", "--dec"], ["--decode-loop"], "none end"],
    ["no flag twice", ["compile", "--decode-loop", "--dec"], [], "none end"],
    ["a flag that may be", ["compile", "--load", "a", "--loa"], ["--load"], "none end"],
    ["a flag's word", ["compile", "m.onnx", "--kv", "s"], ["shared"], "none end"],
    ["the same in one word", ["compile", "--kv=s"], ["--kv=shared"], "none end"],
    ["a word behind a short flag", ["compile", "-o", "x", "--kv", ""], ["concat", "shared"], "none end"],
    ["a setting's word", ["compile", "--norm", "l"], ["l2_norm_gelu"], "none end"],
    [
      "a site behind a comma",
      ["compile", "--sites", "attn,ml"],
      ["attn,mlp", "attn,mlp_output"],
      "none more",
    ],
    ["a site of some layers", ["compile", "--sites", "mlp@0-3,v"], ["mlp@0-3,v_proj"], "none more"],
    ["no site twice", ["compile", "--sites", "mlp@0-3,mlp"], ["mlp@0-3,mlp_output"], "none more"],
    ["a kind", ["train", "m", "--adapter", "lo"], ["lora"], "none end"],
    ["a form of a kind", ["compile", "--adapter", "do"], ["dora"], "none end"],
    ["a pass", ["compile", "--dump-after", "outline-m"], ["outline-mlp", "outline-moe"], "none end"],
    ["a pass to explain", ["help", "outline-n"], ["outline-norms"], "none end"],
    ["a message to explain", ["help", "SITE_E"], ["SITE_EMPTY"], "none end"],
    ["a shell", ["completion", "f"], ["fish"], "none end"],
    ["a file for a model", ["compile", ""], [], "files end"],
    ["a file for a flag", ["compile", "m.onnx", "-o", ""], [], "files end"],
    ["a file in one word", ["compile", "--load=x"], [], "files end"],
    ["a folder", ["serve", "m", "--adapters", ""], [], "folders end"],
    ["nothing for a number", ["serve", "m", "--port", ""], [], "none end"],
    ["nothing behind all arguments", ["inspect", "m.onnx", ""], [], "none end"],
    ["a file behind --", ["inspect", "--", "--j"], [], "files end"],
    ["nothing of no command", ["nothing", ""], [], "none end"],
  ])("%s", async (_, words, wanted, last) => {
    expect(await offered(...words)).toEqual([wanted, last]);
  });

  it("all passes", async () => {
    const [words] = await offered("compile", "--dump-after", "");
    expect(words).toEqual(passes.map(({ name }) => name));
  });

  it("the words of a flag behind every command that has it", async () => {
    const program = await programFor();
    const commands = program.commands.flatMap((one) => (one.commands.length > 0 ? one.commands : [one]));
    const all = commands.flatMap((command) =>
      command.options.map((option) => ({ command: command.name(), option, words: offerOf(option)?.words })),
    );
    const known = new Map(
      all.flatMap(({ option, words }) => (words === undefined ? [] : [[option.flags, words]])),
    );
    expect(known.size).toBeGreaterThan(15);
    const silent = all.filter(({ option, words }) => words === undefined && known.has(option.flags));
    expect(silent.map(({ command, option }) => `${command} ${option.flags}`)).toEqual([]);
  });

  it("flags with what they are", async () => {
    expect(await completion(["adapter", "ls", "--che"])).toBe(
      "--check\tread all numbers, too, and refuse NaN and infinity\nnone\tend\t--che\n",
    );
  });
});

it.each<[string, readonly string[]]>([
  ["tfc compile ", ["tfc", "compile", ""]],
  ['tfc compile "a b".onnx x', ["tfc", "compile", "a b.onnx", "x"]],
  ["tfc a\\ b 'c\\' \"d", ["tfc", "a b", "c\\", "d"]],
  ["", [""]],
])("words of the line %j", (line, words) => {
  expect(wordsOfLine(line)).toEqual(words);
});

it("what was typed is never run", async () => {
  const [words] = await offered("--line", "tfc compile $(exit 3) `exit 3` --kv s");
  expect(words).toEqual(["shared"]);
  for (const script of Object.values(scripts)) expect(script).not.toMatch(/\beval\b/);
});

it("completion refuses a shell that it does not know", async () => {
  const { status, stderr } = await tfcHere("completion", "csh");
  expect(status).toBe(1);
  expect(stderr).toContain("error USAGE: command-argument value 'csh' is invalid");
});

it.each(Object.entries(scripts))(
  "completion %s --json is the script, and the line that reads it",
  async (shell, script) => {
    const { status, stdout } = await tfcHere("completion", shell, "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      shell,
      line: expect.stringContaining(`tfc completion ${shell}`),
      file: expect.stringMatching(new RegExp(`^~/.*${shell}`)),
      script,
    });
    expect((await tfcHere("completion", shell)).stdout).toBe(script);
  },
);

it("every command has --json", async () => {
  const program = await programFor();
  const commands = program.commands.flatMap((one) => (one.commands.length > 0 ? one.commands : [one]));
  const without = commands.filter((one) => !one.options.some(({ long }) => long === "--json"));
  expect(without.map((one) => one.name())).toEqual([]);
});

const folder = temporaryFolder();
const bin = path.join(folder, "bin");
mkdirSync(bin);
symlinkSync(path.resolve(import.meta.dirname, "../../bin/tfc.js"), path.join(bin, "tfc"));
mkdirSync(path.join(folder, "models"));
writeFileSync(path.join(folder, "models", "one.onnx"), "");

function isThere(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}

function run(program: string, args: readonly string[], input = ""): string {
  const env = {
    ...process.env,
    PATH: `${bin}:${path.dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
  };
  const { stdout } = spawnSync(program, args, { cwd: folder, env, input, encoding: "utf8", timeout: 60_000 });
  return stripVTControlCharacters(stdout);
}

/** How each shell is asked what it makes of a line. */
const asked: Readonly<Record<Shell, (line: string) => string>> = {
  // As readline calls it: `words` are the line's, broken at =, : and @.
  bash: (line) => {
    const words = line.split(/(?<=[=@])|(?=[=@])| /).map((word) => `'${word}'`);
    const call = `COMP_LINE='${line}' COMP_POINT=${line.length} COMP_WORDS=(${words.join(" ")}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _tfc; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run("bash", ["--norc", "-c", `source <(tfc completion bash); ${call}`]);
  },
  // It has no call for it: keys are typed into a shell of its own.
  zsh: (line) => {
    const [setup, typed] = ["setup.zsh", "typed.zsh"].map((name) => path.join(folder, name)) as [
      string,
      string,
    ];
    writeFileSync(
      setup,
      [
        "PS1=; autoload -Uz compinit; compinit -u -D; source <(tfc completion zsh)",
        'show() { print -r -- "<$BUFFER>" }; zle -N show; bindkey "^X" show; print READ""Y',
      ].join("\n"),
    );
    const wait = (mark: string): string => `while zpty -r z one; do [[ $one == ${mark} ]] && break; done`;
    writeFileSync(
      typed,
      [
        "zmodload zsh/zpty; zpty z zsh -f -i",
        `zpty -w z 'source ${setup}'; ${wait("*READY*")}`,
        `zpty -w -n z $'${line}\\t\\x18'; ${wait("*'<tfc'*'>'*")}; print -r -- $one`,
      ].join("\n"),
    );
    return run("zsh", ["-f", typed]);
  },
  fish: (line) => run("fish", ["--no-config", "-c", `tfc completion fish | source; complete -C '${line}'`]),
};

describe.each<[Shell]>([["bash"], ["zsh"], ["fish"]])("%s completes", (shell) => {
  const here = isThere(shell);
  const test = here ? it : it.skip;
  const why = here ? "" : ` (skipped: ${shell} is not installed)`;
  test.each<[string, string]>([
    ["tfc compi", "compile"],
    ["tfc adapter imp", "import"],
    ["tfc compile m.onnx --kv sh", "shared"],
    ["tfc compile m.onnx --kv=sh", "shared"],
    ["tfc compile m.onnx --sites mlp@0,v_", "0,v_proj"],
    ["tfc compile m.onnx --sites=attn,v_", "attn,v_proj"],
    ["tfc help outline-n", "outline-norms"],
  ])(`%s${why}`, (line, wanted) => {
    expect(asked[shell](line)).toContain(wanted);
  });

  // Those of bash are readline's own.
  (shell === "bash" ? it.skip : test).each<[string, string]>([
    ["tfc compile mod", "models/"],
    ["tfc compile models/o", "models/one.onnx"],
    ["tfc serve m --adapters mod", "models/"],
    ["tfc compile m.onnx --load=models/o", "models/one.onnx"],
  ])(`a path: %s${why}`, (line, wanted) => {
    expect(asked[shell](line)).toContain(wanted);
  });
});
