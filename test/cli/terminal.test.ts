import { spawnSync } from "node:child_process";
import path from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "@jest/globals";
import { programFor } from "../../compiler/cli/commands.ts";
import { WaitingLine } from "../../compiler/cli/waiting-line.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfc, tfcHere } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const model = writeModel(folder, "model.onnx", tinyDecoder());
const root = path.resolve(import.meta.dirname, "../..");
const sample = path.join(root, "samples/models/austen-llama/dynamo/model.onnx");

/** All commands that do something, by how they are typed. */
async function allCommands(): Promise<ReadonlyMap<string, Command>> {
  const of = (command: Command, before: string): (readonly [string, Command])[] => {
    const name = `${before} ${command.name()}`.trim();
    return command.commands.length === 0
      ? [[name, command]]
      : command.commands.flatMap((one) => of(one, command.name() === "tfc" ? "" : name));
  };
  return new Map(of(await programFor(), ""));
}

describe("flags that all commands have", () => {
  it("--quiet, and --json where there is a result", async () => {
    for (const [name, { options }] of await allCommands()) {
      const flags = options.map(({ long }) => long);
      expect([name, flags.includes("--quiet")]).toEqual([name, true]);
      expect([name, flags.includes("--json")]).toEqual([name, true]);
    }
  });

  it("--quiet leaves results and errors, and no warnings and notes", async () => {
    const partial = ["compile", sample, "-o", path.join(folder, "out.onnx"), "--sites", "q_proj"];
    // External data of the sample is copied into another folder; a note in each output says where it is.
    const warned = [...partial, "--weights", "link"];
    const loud = await tfcHere(...warned);
    expect(loud.stderr).toContain("note ");
    const quiet = await tfcHere(...warned, "--quiet");
    expect({ status: quiet.status, stderr: quiet.stderr }).toEqual({ status: 0, stderr: "" });
    expect(quiet.stdout).toContain("blocks      6 of 6 attention");
    expect(await refused(folder, "compile", "nowhere.onnx", "--quiet")).toContain("error FILE_NOT_FOUND");
  });

  it.each<[string, readonly string[]]>([
    ["bench", ["bench", sample, "--quiet", "--prompt-tokens", "4", "--new-tokens", "2", "--runs", "1"]],
    ["dump", ["dump", model, "--quiet"]],
    ["inspect", ["inspect", model, "--quiet"]],
  ])("%s takes it", (_, args) => {
    const { status, stderr } = tfc(args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("dump --json has the text that dump prints", async () => {
    const { stdout } = await tfcHere("dump", model);
    const { stdout: json } = await tfcHere("dump", model, "--json");
    expect(JSON.parse(json)).toEqual({ model, text: stdout });
  });
});

describe("what was misspelt", () => {
  it.each<[readonly string[], string]>([
    [["complie"], "did you mean compile? see tfc --help"],
    [["compile", model, "--rnak", "3"], "did you mean --rank? see tfc compile --help"],
    [["adapter", "lss"], "did you mean ls? see tfc adapter --help"],
    [["adapter", "xyz"], "fix: see tfc adapter --help"],
    [["adapter"], "fix: see tfc adapter --help"],
    [["adapter", "import", "x", "--outptu", "y"], "did you mean --output? see tfc adapter import --help"],
    [["compile", model, "--for", "gpu"], "correct --for: did you mean cuda?"],
    [["compile", model, "--dtype", "float16"], "correct --dtype: did you mean fp16?"],
    // The nearest word would be another type.
    [["compile", model, "--dtype", "fp32"], "fix: correct --dtype\n"],
    [["compile", model, "--quantize", "8"], "correct --quantize: did you mean int8?"],
    [["compile", model, "--sites", "mpl@0-3"], "correct --sites: did you mean mlp?"],
    [["compile", model, "--sites", "self_attn"], "correct --sites: did you mean attn?"],
    [["compile", model, "--sites", "attention"], "correct --sites: did you mean attn?"],
    [["compile", model, "--sites", "gate"], "correct --sites: did you mean gate_proj?"],
    [["compile", model, "--adapter", "loar"], "correct --adapter: did you mean lora?"],
    [["compile", model, "--dump-after", "outline-mpl"], "correct --dump-after: did you mean outline-mlp?"],
    [["help", "outlin-mlp"], "did you mean tfc help outline-mlp?"],
    [["help", "SITE_EMTPY"], "did you mean tfc help SITE_EMPTY?"],
    [["help", "adapter", "lss"], "did you mean ls? see tfc adapter --help"],
    [["adapter", "extract", model], "fix: see tfc adapter extract --help"],
  ])("%j", async (args, fix) => {
    expect(await refused(folder, ...args)).toContain(fix);
  });

  it.each<[readonly string[], string]>([
    [["serve", model, "--port", "99999"], "--port is out of range\n  wanted a whole number from 0 to 65535"],
    [["generate", model, "--prompt", "x", "--adapter-ids", "x"], "wanted one member, counted from 0"],
    [["generate", model, "--prompt", "x", "--adapter-ids", "0,1"], "wanted one member, counted from 0"],
  ])("values are refused by the flag's name: %j", async (args, text) => {
    expect(await refused(folder, ...args)).toContain(text);
  });
});

const scriptVersion = spawnSync("script", ["--version"], { encoding: "utf8" });
const hasPty = scriptVersion.status === 0 && scriptVersion.stdout.includes("util-linux");
const inTerminal = hasPty ? it : it.skip;
const why = hasPty ? "" : " (skipped: there is no script of util-linux to make a terminal)";

/** What a terminal is sent by a command, and nothing else. */
function seen(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const command = [process.execPath, path.join(root, "bin/tfc.js"), ...args]
    .map((one) => `'${one}'`)
    .join(" ");
  // Where there is a CI, Node goes by its name and not by the terminal.
  const deciding = ["FORCE_COLOR", "NO_COLOR", "CI"];
  const others = Object.entries(process.env).filter(([name]) => !deciding.includes(name));
  const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
    encoding: "utf8",
    env: { ...Object.fromEntries(others), TERM: "xterm-256color", ...env },
  });
  return stdout;
}

describe("colours", () => {
  const red = "\x1b[31merror USAGE\x1b[39m";

  inTerminal(`are for terminals${why}`, () => {
    expect(seen(["complie"])).toContain(red);
    expect(seen(["explain", model])).toContain("\x1b[32munderstood\x1b[39m");
    expect(seen(["complie"], { NO_COLOR: "1" })).not.toContain("\x1b");
    expect(seen(["complie"], { TERM: "dumb" })).not.toContain("\x1b");
  });

  it("are not for pipes, unless FORCE_COLOR asks for them", () => {
    const run = (env: Readonly<Record<string, string>>): string =>
      spawnSync(process.execPath, [path.join(root, "bin/tfc.js"), "complie"], {
        encoding: "utf8",
        env: { PATH: process.env["PATH"] ?? "", ...env },
      }).stderr;
    expect(run({})).not.toContain("\x1b");
    expect(run({ FORCE_COLOR: "1" })).toContain(red);
    expect(run({ FORCE_COLOR: "0" })).not.toContain("\x1b");
  });
});

describe("the line of a command that is at work", () => {
  // Seconds, also on a machine that does nothing else.
  const long = ["bench", sample, "--prompt-tokens", "64", "--new-tokens", "64", "--runs", "50"];

  inTerminal(`tells what and for how long, and goes${why}`, () => {
    const text = seen(long);
    expect(text).toMatch(/\rbench model\.onnx {2}1 s/);
    const last = /\r {20,25}\r/.exec(text)?.[0] ?? "the line is still there";
    // The result stands below none of it.
    expect(text.slice(text.indexOf(last) + last.length)).toMatch(/^ +prompt of 64/);
  });

  inTerminal(`is not there for --quiet, nor in a dumb terminal${why}`, () => {
    for (const text of [seen([...long, "--quiet"]), seen(long, { TERM: "dumb" })])
      expect(text).not.toContain("bench model.onnx");
  });

  it("is not there for pipes", () => {
    expect(tfc(long).stderr).toBe("");
  });

  it("is drawn by one at a time, over what stood there", () => {
    const written: string[] = [];
    const line = new WaitingLine(undefined, (text) => written.push(text));
    line.begin("compile model.onnx", 40);
    line.show("half done", 9);
    line.show("done", 4);
    line.clear();
    line.clear();
    line.end();
    // The thread finds that it has ended.
    new WaitingLine(line.memory, (text) => written.push(text)).run();
    expect(written).toEqual(["\rhalf done", "\rdone     ", "\r    \r"]);
  });
});

describe("tfc help", () => {
  it.each<[readonly string[], readonly string[]]>([
    [
      ["outline-mlp"],
      ["pass      outline-mlp", "runs      as ", "requires  nothing", "counters  ", "Before and after"],
    ],
    [["quantize-weights"], ["options   --quantize, --block, --symmetric", "block"]],
    [
      ["lora"],
      [
        "kind      lora",
        "lora_A.weight",
        "rank  rank of the two matrices (default: 8)",
        "y = s · B(A x)",
        "lora_A.weight  [rank, in]   small numbers",
      ],
    ],
    [["dora"], ["kind      dora", "LoRA that also learns how long", "lora_magnitude_vector"]],
    [["SITE_EMPTY"], ["severity  error", 'no block was matched for the site "<site>"']],
    [["site_empty"], ["code      SITE_EMPTY"]],
    [["compile"], ["Usage: tfc compile [options] <model>"]],
    [["adapter", "ls"], ["Usage: tfc adapter ls [options] <path>"]],
    [[], ["Passes:", "outline-mlp", "Adapter kinds:\n  scalarlm pattention lora dora"]],
  ])("%j", async (topic, texts) => {
    const { status, stdout, stderr } = await tfcHere("help", ...topic);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const text of texts) expect(stdout).toContain(text);
  });

  it("--json has it as data", async () => {
    const of = async (...topic: readonly string[]): Promise<unknown> =>
      JSON.parse((await tfcHere("help", ...topic, "--json")).stdout) as unknown;
    expect(await of("drop-inputs")).toMatchObject({
      pass: "drop-inputs",
      options: [{ name: "share", default: "0" }],
      counters: ["adapters"],
      page: expect.stringContaining("# drop-inputs"),
    });
    expect(await of("lora")).toMatchObject({ kind: "lora", sites: ["q_proj", "v_proj"] });
    expect(await of("SITE_EMPTY")).toMatchObject({ code: "SITE_EMPTY", found: "{found}" });
    expect(await of("adapter", "ls")).toMatchObject({ command: "adapter ls" });
    expect(await of()).toMatchObject({ kinds: ["scalarlm", "pattention", "lora", "dora"] });
  });
});
