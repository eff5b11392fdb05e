import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { loadTokenizer } from "../../runtime/generate/tokenizer.ts";
import { loadModel } from "../../runtime/model/load.ts";
import { oracleCases } from "../runtime/oracle.ts";
import { temporaryFolder } from "../support/folder.ts";
import type { Outcome } from "../support/tfc.ts";

const script = path.resolve(import.meta.dirname, "../../bin/tfc.js");
const sample = path.resolve(import.meta.dirname, "../../samples/models/austen-llama");
const dynamo = path.join(sample, "dynamo");
const adapters = path.resolve(import.meta.dirname, "../../samples/models/peft");
const root = temporaryFolder();
const chatFolder = path.join(root, "chat");
const TEMPLATE =
  "{{ bos_token }}{% for m in messages %}{% if m.content == 'forbidden' %}{{ raise_exception('no such word') }}{% endif %}{{ m.content }} {% endfor %}";

/** Runs `tfc generate` with a text on stdin. */
function generate(args: readonly string[], input = ""): Outcome {
  const options = { encoding: "utf8", timeout: 60_000, input } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "generate", ...args], options);
  return { status, stdout, stderr };
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [script, "generate", ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

const ended = (child: ChildProcess): Promise<{ status: number | null; signal: string | null }> =>
  new Promise((resolve) => {
    child.on("exit", (status, signal) => {
      resolve({ status, signal });
    });
  });

const firstText = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.stdout?.once("data", () => {
      resolve();
    });
  });

beforeAll(() => {
  mkdirSync(chatFolder);
  for (const file of [
    "dynamo/model.onnx",
    "dynamo/model.onnx.data",
    "tokenizer.json",
    "tokenizer_config.json",
  ])
    copyFileSync(path.join(sample, file), path.join(chatFolder, path.basename(file)));
  writeFileSync(path.join(chatFolder, "chat_template.jinja"), TEMPLATE);
  writeFileSync(
    path.join(chatFolder, "config.json"),
    JSON.stringify({ vocab_size: 2048, max_position_embeddings: 48 }),
  );
});

describe("tfc generate", () => {
  const [[, oracle] = []] = [...oracleCases()];
  const prompt = oracle?.prompts[0] ?? "";
  const ids = oracle?.greedy_ids[0] ?? [];
  const all = ["--max-new-tokens", String(ids.length)];
  const text = loadTokenizer(sample).decode(ids);

  it("prints what transformers' generate gives, of a graph or the folder it is in", () => {
    expect(generate([path.join(dynamo, "model.onnx"), "--prompt", prompt, ...all])).toEqual({
      status: 0,
      stdout: `${text}\n`,
      stderr: "",
    });
    expect(generate([dynamo, "--prompt", prompt, ...all, "--device", "cpu"]).stdout).toBe(`${text}\n`);
  });

  it("continues what stdin has", () => {
    expect(generate([dynamo, ...all], `${prompt}\n`).stdout).toBe(`${text}\n`);
  });

  it("prints one JSON object", () => {
    const { status, stdout } = generate([dynamo, "--prompt", prompt, ...all, "--json"]);
    const result = JSON.parse(stdout) as Record<string, number>;
    expect(Object.keys(result)).toEqual(["text", "ids", "prompt", "new", "stop", "prefill", "decode"]);
    const counts = { prompt: loadTokenizer(sample).encode(prompt).length, new: ids.length };
    expect(result).toMatchObject({ text, ids, ...counts, stop: "length" });
    expect([status, (result["prefill"] ?? 0) > 0, (result["decode"] ?? 0) > 0]).toEqual([0, true, true]);
  });

  it("ends before any of several stop texts", () => {
    const stop = text.slice(9, 14);
    const cut = text.slice(0, text.indexOf(stop));
    expect(generate([dynamo, "--prompt", prompt, ...all, "--stop", "never there", stop]).stdout).toBe(
      `${cut}\n`,
    );
    const { stdout } = generate([
      dynamo,
      "--stop",
      stop,
      "--stop",
      "#",
      "--json",
      "--prompt",
      prompt,
      ...all,
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ text: cut, stop: "stop" });
  });

  it("samples the same by one seed, as the library does", async () => {
    const options = { temperature: 1.1, topK: 40, topP: 0.9, minP: 0.01, repetitionPenalty: 1.2, seed: 5 };
    const flags = ["--temperature", "1.1", "--top-k", "40", "--top-p", "0.9", "--min-p", "0.01"];
    const more = ["--repetition-penalty", "1.2", "--seed", "5", "--max-new-tokens", "12"];
    const { stdout, stderr } = generate([dynamo, "--prompt", prompt, ...flags, ...more]);
    const model = await loadModel(dynamo, { device: "cpu" });
    const result = await model.generate({ prompt, maxNewTokens: 12, ...options }).result();
    await model.close();
    expect([stdout, stderr]).toEqual([`${result.text}\n`, ""]);
    expect(text.startsWith(result.text)).toBe(false);
  });

  it("says that options of sampling do nothing without a temperature", () => {
    const { status, stderr } = generate([dynamo, "--prompt", prompt, "--seed", "5", "--max-new-tokens", "1"]);
    expect([status, stderr]).toEqual([0, expect.stringContaining("note OPTION_GREEDY: --seed does nothing")]);
  });

  it.each([
    [["--prompt", ""], "PROMPT_EMPTY", "the prompt is empty"],
    [["--chat", "--prompt", "a"], "OPTION_CONFLICT", "--chat does not go with --prompt"],
    [["--prompt", "a", "--temperature", "warm"], "OPTION_OUT_OF_RANGE", "--temperature is out of range"],
    [["--prompt", "a", "--top-p", "1.5"], "OPTION_OUT_OF_RANGE", "--top-p is out of range"],
    [["--prompt", "a", "--max-new-tokens", "-1"], "OPTION_OUT_OF_RANGE", "--max-new-tokens is out of range"],
    [["--prompt", "a", "--stop", ""], "OPTION_OUT_OF_RANGE", "--stop is out of range"],
    [["--prompt", "a", "--device", "tpu"], "OPTION_UNKNOWN_VALUE", "tpu"],
    [["--prompt", "a", "--load", "x"], "ADAPTER_INPUTS_NONE", "the graph takes no adapters as inputs"],
    [["--prompt", "a", "--adapter", "x"], "ADAPTER_NAME_UNKNOWN", 'there is no adapter "x"'],
    [["--prompt", "a", "--adapter-ids", "0"], "OPTION_OUT_OF_RANGE", "the graph has no bank"],
    [["--prompt", "a", "--alpha", "2"], "OPTION_UNUSED", "--alpha would have no effect"],
    [["--prompt", "a", "--tokenizer", "nowhere"], "FILE_NOT_FOUND", "nowhere"],
    [["--prompt", "a", "--tokenizer", `${dynamo}/x`], "FILE_NOT_FOUND", "none at this path"],
    [["--chat"], "CHAT_TEMPLATE_MISSING", "the model has no chat template"],
  ])("refuses %j", (args, code, what) => {
    const { status, stdout, stderr } = generate([dynamo, ...args]);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`error ${code}`);
    expect(stderr).toContain(what);
  });

  it("tells of --tokenizer where a model has none, which then serves", () => {
    const folder = path.join(root, "bare");
    mkdirSync(folder);
    for (const file of ["model.onnx", "model.onnx.data"])
      copyFileSync(path.join(dynamo, file), path.join(folder, file));
    const { status, stdout, stderr } = generate([folder, "--prompt", prompt, "--json"]);
    expect([status, JSON.parse(stdout)]).toMatchObject([1, { error: { code: "TOKENIZER_MISSING" } }]);
    expect(stderr).toContain("--tokenizer");
    expect(generate([folder, "--prompt", prompt, ...all, "--tokenizer", sample]).stdout).toBe(`${text}\n`);
  });

  it("ends with who reads it, and with Ctrl-C", async () => {
    const long = [dynamo, "--prompt", prompt, "--max-new-tokens", "480"];
    const read = start(long);
    const exit = ended(read);
    await firstText(read);
    read.stdout?.destroy();
    expect(await exit).toEqual({ status: 0, signal: null });

    const stopped = start(long);
    const stop = ended(stopped);
    await firstText(stopped);
    stopped.kill("SIGINT");
    expect(await stop).toEqual({ status: null, signal: "SIGINT" });
  });
});

describe("tfc generate with adapters", () => {
  const few = ["--max-new-tokens", "8", "--prompt", "It was a"];
  const texts: string[] = [];
  const graph = path.join(root, "inputs/model.onnx");
  const bank = path.join(root, "bank/model.onnx");
  const load = ["plain", "patterns"].map((name) => path.join(adapters, name));
  beforeAll(async () => {
    const common = { input: path.join(dynamo, "model.onnx"), adapter: "lora" } as const;
    await compile({
      ...common,
      output: graph,
      sites: "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj",
      residence: "inputs",
    });
    await compile({ input: common.input, output: bank, load, residence: "bank" });
    texts.push(generate([dynamo, ...few]).stdout);
    for (const path_ of load)
      texts.push(generate([graph, "--tokenizer", sample, ...few, "--load", path_]).stdout);
  }, 60_000);

  it("uses the one that is loaded, or named among several", () => {
    expect(new Set(texts).size).toBe(3);
    const named = load.flatMap((place, i) => ["--load", `${"ab"[i] ?? ""}=${place}`]);
    const run = (...args: readonly string[]): string =>
      generate([graph, "--tokenizer", sample, ...few, ...args]).stdout;
    expect([run(), run(...named), run(...named, "--adapter", "b")]).toEqual([texts[0], texts[1], texts[2]]);
  });

  it("refuses a name twice", () => {
    const twice = load.flatMap((place) => ["--load", `a=${place}`]);
    expect(generate([graph, "--tokenizer", sample, ...few, ...twice]).stderr).toContain("OPTION_REPEATED");
  });

  it("chooses a member of a bank", () => {
    const member = (id: string): string =>
      generate([bank, "--tokenizer", sample, ...few, "--adapter-ids", id]).stdout;
    expect([member("-1"), member("0"), member("1")]).toEqual(texts);
    const { status, stderr } = generate([bank, "--tokenizer", sample, ...few, "--adapter-ids", "2"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("one id, from -1 to 1")]);
  });

  it("changes it in the course of a conversation", () => {
    const named = load.flatMap((place, i) => ["--load", `${"ab"[i] ?? ""}=${place}`]);
    const lines = [
      "It was a",
      "/reset",
      "/adapter b",
      "It was a",
      "/adapter c",
      "/reset",
      "/adapter none",
      "It was a",
    ];
    const args = [graph, "--chat", "--tokenizer", chatFolder, "--max-new-tokens", "8", ...named];
    const { status, stdout, stderr } = generate(args, lines.join("\n"));
    const alone = (adapter: string): string =>
      generate([
        graph,
        "--tokenizer",
        sample,
        "--prompt",
        "It was a ",
        "--max-new-tokens",
        "8",
        ...(adapter === "" ? [] : [...named, "--adapter", adapter]),
      ]).stdout;
    expect([status, stdout]).toEqual([0, [alone("a"), alone("b"), alone("")].join("")]);
    expect(stderr).toContain('there is no adapter "c"');
    expect(stderr).toContain("adapter: none, the base");
  });
});

describe("tfc generate --chat", () => {
  const few = ["--max-new-tokens", "5"];
  const talk = (lines: readonly string[], ...args: readonly string[]): Outcome =>
    generate([chatFolder, "--chat", ...few, ...args], `${lines.join("\n")}\n`);
  const answers = (outcome: Outcome): readonly string[] => outcome.stdout.split("\n").slice(0, -1);

  it("keeps the conversation until it is reset, and ends with its input or /quit", () => {
    const first = answers(talk(["She had"]))[0] ?? "";
    const outcome = talk(["She had", "", "and she", "/reset", "She had", "/quit", "never read"]);
    const second = generate([chatFolder, ...few, "--prompt", `She had ${first} and she `]).stdout;
    expect(outcome).toMatchObject({ status: 0, stderr: "a new conversation\n" });
    expect(outcome.stdout).toBe(`${first}\n${second}${first}\n`);
  });

  it("prints an object for each answer with --json", () => {
    const lines = answers(talk(["She had", "and she"], "--json")).map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([{ new: 5 }, { new: 5 }]);
  });

  it("survives commands that there are none of, and messages that the template refuses", () => {
    const outcome = talk(["/nothing", "/adapter x", "forbidden", "She had", "/help"]);
    expect(outcome.stdout).toBe(talk(["She had"]).stdout);
    expect(outcome.status).toBe(0);
    for (const said of ["no command /nothing", "ADAPTER_NAME_UNKNOWN", "no such word", "/quit"])
      expect(outcome.stderr).toContain(said);
  });

  it("says when a conversation is longer than the context, and forgets what does not fit", () => {
    const long = Array.from({ length: 60 }, () => "very").join(" ");
    const outcome = talk(["She had", long, "/reset", "She had"]);
    const [first] = answers(talk(["She had"]));
    expect(answers(outcome)).toEqual([first, first]);
    expect(outcome.stderr).toContain("PROMPT_TOO_LONG");
    expect(outcome.stderr).toContain("/reset begins a new one");
  });
});
