import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { modelConfigType } from "../../compiler/compile/package/triton/schema.ts";
import { openSession } from "../../runtime/session/session.ts";
import { graphOf } from "../runtime/oracle.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import { readConfig, type Message } from "./read-config.ts";

const root = temporaryFolder();
const samples = path.resolve("samples/models");
const family = (name: string): string => path.join(samples, "families", name, "model.onnx");

function fresh(): string {
  return mkdtempSync(path.join(root, "repository-"));
}

/** A compiled model in a folder of its own. */
async function compiled(base: string, ...flags: readonly string[]): Promise<string> {
  const output = path.join(fresh(), "model.onnx");
  const { status, stderr } = await tfcHere("compile", base, "-o", output, ...flags);
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  return output;
}

interface Report {
  readonly name: string;
  readonly version: number;
  readonly folder: string;
  readonly maxBatch: number;
  readonly unbatched: string | null;
  readonly cache: string;
  readonly files: readonly string[];
}

/** Packages a model. @returns the report and the configuration, read by a reader of its own */
async function packaged(
  model: string,
  repository: string,
  ...flags: readonly string[]
): Promise<{ readonly report: Report; readonly config: Message; readonly text: string }> {
  const { status, stdout, stderr } = await tfcHere(
    "package",
    model,
    "--triton",
    repository,
    "--json",
    ...flags,
  );
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  const report = JSON.parse(stdout) as Report;
  const text = readFileSync(path.join(report.folder, "config.pbtxt"), "utf8");
  return { report, text, config: readConfig(text) };
}

/** Tensors by name: type and dims. */
function tensors(list: Message[string] | undefined): Record<string, unknown> {
  const entries = (list ?? []) as readonly Message[];
  return Object.fromEntries(
    entries.map(({ name: [key], data_type, dims }) => {
      if (typeof key !== "string") throw new Error("a tensor without a name");
      return [key, [data_type?.[0], dims]] as const;
    }),
  );
}

describe("an export whose cache grows", () => {
  it.each(["dynamo", "torchscript"] as const)("goes whole into a repository: %s", async (style) => {
    const [repository, graph] = [fresh(), graphOf(style)];
    const { report, config } = await packaged(graph, repository, "--name", "austen");
    expect(report).toMatchObject({
      name: "austen",
      version: 1,
      maxBatch: 8,
      unbatched: null,
      cache: "client",
    });
    expect(config).toMatchObject({
      ...{ name: ["austen"], backend: ["onnxruntime"], max_batch_size: [8], dynamic_batching: [{}] },
      version_policy: [{ all: [{}] }],
    });
    expect(config).not.toHaveProperty("instance_group");
    expect(tensors(config["input"])).toMatchObject({
      input_ids: ["TYPE_INT64", [-1]],
      attention_mask: ["TYPE_INT64", [-1]],
      "past_key_values.5.value": ["TYPE_FP32", [2, -1, 32]],
    });
    expect(tensors(config["output"])).toMatchObject({
      logits: ["TYPE_FP32", [-1, 2048]],
      "present.5.value": ["TYPE_FP32", [2, -1, 32]],
    });
    const placed = path.join(repository, "austen", "1", "model.onnx");
    expect(statSync(placed).ino).toBe(statSync(graph).ino);
    const session = await openSession(placed);
    const names = session.inputs.map(({ name }) => name).sort();
    expect(Object.keys(tensors(config["input"])).sort()).toEqual(names);
    await session.close();
  });

  it("is told of as sent by the client", async () => {
    const { stderr, stdout } = await tfcHere("package", graphOf("dynamo"), "--triton", fresh());
    expect(stderr).toContain("note PACKAGE_CACHE_SENT: the cache grows with each token");
    expect(stderr).toContain("compile with --kv shared");
    expect(stdout).toMatch(/^model {4}dynamo, version 1$/m);
    expect(stdout).toMatch(/^cache {4}sent with each request$/m);
  });
});

describe("a shared cache", () => {
  it("is the state of a sequence, which begins with zeros", async () => {
    const model = await compiled(
      graphOf("dynamo"),
      ...["--no-adapters", "--for", "cpu", "--kv", "shared", "--max-length", "64"],
    );
    const { report, config } = await packaged(model, fresh(), "--max-batch", "4");
    expect(report).toMatchObject({ cache: "triton", maxBatch: 4 });
    expect(config["instance_group"]).toEqual([{ count: [1], kind: ["KIND_CPU"] }]);
    expect(Object.keys(tensors(config["input"]))).toEqual(["input_ids", "attention_mask", "position_ids"]);
    expect(Object.keys(tensors(config["output"]))).toEqual(["logits"]);
    const [batching] = config["sequence_batching"] as readonly Message[];
    expect(batching?.["oldest"]).toEqual([{ max_candidate_sequences: [16] }]);
    const states = (batching?.["state"] ?? []) as readonly Message[];
    expect(states).toHaveLength(12);
    const dims = [2, 64, 32];
    expect(states[1]).toEqual({
      input_name: ["past_key_values.0.value"],
      output_name: ["present.0.value"],
      data_type: ["TYPE_FP32"],
      dims,
      initial_state: [
        { data_type: ["TYPE_FP32"], dims, zero_data: [true], name: ["past_key_values.0.value of no tokens"] },
      ],
      use_same_buffer_for_input_output: [true],
    });
  });

  it("of another exporter is kept alike, if it is as long behind a step as before", async () => {
    const { report, config } = await packaged(family("llama2-mobius-static"), fresh());
    expect(report).toMatchObject({ cache: "triton", maxBatch: 8 });
    const [batching] = config["sequence_batching"] as readonly Message[];
    expect((batching?.["state"] as readonly Message[])[0]).toMatchObject({
      ...{ input_name: ["key_cache.0"], output_name: ["updated_key_cache.0"], dims: [64, 16] },
    });
    // A batch's rows, which Triton has as a tensor of one element for each.
    expect((config["input"] as readonly Message[]).at(-1)).toMatchObject({ dims: [1], reshape: [{}] });
  });

  it("runs on a GPU where it was compiled for one, in float32 as it is written", async () => {
    const flags = [
      "--no-adapters",
      "--for",
      "cuda",
      "--dtype",
      "fp16",
      "--kv",
      "shared",
      "--max-length",
      "64",
    ];
    const { config } = await packaged(await compiled(graphOf("dynamo"), ...flags), fresh());
    expect(config["instance_group"]).toEqual([{ count: [1], kind: ["KIND_GPU"] }]);
    expect(config["optimization"]).toEqual([
      {
        execution_accelerators: [
          {
            gpu_execution_accelerator: [
              { name: ["cuda"], parameters: [{ key: ["use_tf32"], value: ["0"] }] },
            ],
          },
        ],
      },
    ]);
  });
});

describe("batches", () => {
  it.each([
    ["flat tokens", family("llama2-genai-paged"), '"input_ids" is of flat tokens'],
    [
      "a table of positions without rows",
      path.join(samples, "austen-llama", "vllm", "paged.onnx"),
      '"input_ids" is of flat tokens',
    ],
  ])("are none for %s", async (_, model, why) => {
    const { report, config } = await packaged(model, fresh());
    expect(report.maxBatch).toBe(0);
    expect(report.unbatched).toContain(why);
    expect(config["max_batch_size"]).toEqual([0]);
    expect(config).not.toHaveProperty("dynamic_batching");
  });

  it("are none where an adapter is given with each request, whose inputs are then in the configuration", async () => {
    const model = await compiled(graphOf("dynamo"), "--adapters", "inputs", "--sites", "mlp@0");
    const { report, config } = await packaged(model, fresh());
    expect(report.maxBatch).toBe(0);
    expect(tensors(config["input"])).toMatchObject({
      input_ids: ["TYPE_INT64", [-1, -1]],
      "model.layers.0.mlp.tokenformer_v": ["TYPE_FP32", [4, -1]],
    });
  });

  it("have the member of a bank for each row", async () => {
    const model = await compiled(
      graphOf("dynamo"),
      "--adapters",
      "bank",
      "--members",
      "2",
      "--sites",
      "mlp@0",
    );
    const { report, config } = await packaged(model, fresh());
    expect(report.maxBatch).toBe(8);
    const ids = (config["input"] as readonly Message[]).find(({ name }) => name[0] === "adapter_ids");
    expect(ids).toEqual({ name: ["adapter_ids"], data_type: ["TYPE_INT64"], dims: [1], reshape: [{}] });
  });

  it("leave out what has a value of its own", async () => {
    const model = await compiled(graphOf("dynamo"), "--no-adapters", "--last-logits");
    const { report, config } = await packaged(model, fresh());
    expect(report.maxBatch).toBe(8);
    expect(tensors(config["input"])).not.toHaveProperty("num_logits_to_keep");
  });
});

describe("versions", () => {
  it("stand side by side and share equal weights, also those of another file", async () => {
    const [repository, graph] = [fresh(), graphOf("dynamo")];
    await packaged(graph, repository, "--name", "austen", "--weights", "copy");
    const copy = fresh();
    cpSync(path.dirname(graph), copy, { recursive: true });
    const { report } = await packaged(
      path.join(copy, "model.onnx"),
      repository,
      "--name",
      "austen",
      "--version",
      "2",
    );
    const data = (version: number): number =>
      statSync(path.join(repository, "austen", String(version), "model.onnx.data")).ino;
    expect(data(2)).toBe(data(1));
    expect(data(1)).not.toBe(statSync(`${graph}.data`).ino);
    // The configuration says the same still, and stays as it is.
    expect(report.files.map((file) => path.basename(file))).toEqual(["model.onnx", "model.onnx.data"]);
  });

  it("keep the configuration that is there, but for what is asked for", async () => {
    const [repository, graph] = [fresh(), graphOf("dynamo")];
    const { report } = await packaged(graph, repository, "--name", "austen");
    const file = path.join(report.folder, "config.pbtxt");
    const own = `# ours\n${readFileSync(file, "utf8")}model_warmup { name: "one" batch_size: 1 }\n`;
    writeFileSync(file, own);
    await packaged(graph, repository, "--name", "austen", "--version", "2");
    expect(readFileSync(file, "utf8")).toBe(own);
    const { config } = await packaged(
      graph,
      repository,
      ...["--name", "austen", "--version", "3", "--max-batch", "2"],
    );
    expect(config["max_batch_size"]).toEqual([2]);
    expect(config["model_warmup"]).toEqual([{ name: ["one"], batch_size: [1] }]);
  });

  it("of another interface are refused, and change nothing", async () => {
    const repository = fresh();
    await packaged(graphOf("dynamo"), repository, "--name", "austen");
    const other = family("llama2-dynamo");
    const message = await refused(
      repository,
      ...["package", other, "--triton", repository, "--name", "austen", "--version", "2"],
    );
    expect(message).toContain("error PACKAGE_VERSION_DIFFERS: the configuration that is there is of another");
    expect(message).toContain("versions share one configuration: give this model a --name of its own");
  });

  it("beside a configuration that is none are refused", async () => {
    const repository = fresh();
    const { report } = await packaged(graphOf("dynamo"), repository, "--name", "austen");
    writeFileSync(path.join(report.folder, "config.pbtxt"), "input { nme: 3 }");
    const message = await refused(
      repository,
      ...["package", graphOf("dynamo"), "--triton", repository, "--name", "austen", "--version", "2"],
    );
    expect(message).toContain("error PACKAGE_CONFIG_INVALID");
  });
});

it("a configuration that waits for its first version is kept, and one that is none is not written over", async () => {
  const [repository, graph] = [fresh(), graphOf("dynamo")];
  const { report } = await packaged(graph, repository, "--name", "austen");
  const file = path.join(report.folder, "config.pbtxt");
  const own = `# ours\n${readFileSync(file, "utf8")}`;
  for (const [text, status] of [
    [own, 0],
    ["ours\n", 1],
  ] as const) {
    rmSync(path.join(report.folder, "1"), { recursive: true, force: true });
    writeFileSync(file, text);
    const run = await tfcHere("package", graph, "--triton", repository, "--name", "austen");
    expect([run.status, readFileSync(file, "utf8")]).toEqual([status, text]);
  }
});

it("a graph beside its base, whose weights it reads there, goes along with them", async () => {
  const folder = fresh();
  cpSync(path.dirname(graphOf("torchscript")), folder, { recursive: true });
  const base = path.join(folder, "model.onnx");
  expect((await tfcHere("compile", base)).status).toBe(0);
  const repository = fresh();
  const { report } = await packaged(path.join(folder, "model.tfc.onnx"), repository);
  const placed = path.join(report.folder, "1", "model.onnx");
  expect(statSync(path.join(report.folder, "1", "model.base", "model.onnx")).ino).toBe(statSync(base).ino);
  // It stands on its own: nothing of the first folder is read.
  renameSync(folder, `${folder}-gone`);
  await (await openSession(placed)).close();
});

it("what cannot be written leaves nothing behind", async () => {
  const repository = fresh();
  writeFileSync(path.join(repository, "austen"), "a file");
  const message = await refused(
    repository,
    ...["package", graphOf("dynamo"), "--triton", repository, "--name", "austen"],
  );
  expect(message).toContain("error FILE_NOT_WRITABLE");
});

describe("bad input", () => {
  it.each([
    ["no engine", [], "error USAGE: no engine is named"],
    ["two engines", ["--triton", "x", "--genai", "y"], "error USAGE: two engines are named"],
    ["a flag of the other engine", ["--triton", "x", "--max-length", "3"], "--max-length is not of --triton"],
    ["a version of none", ["--triton", "x", "--version", "0"], "error OPTION_OUT_OF_RANGE"],
    ["a name that is a path", ["--triton", "x", "--name", "../up"], "error OPTION_OUT_OF_RANGE"],
    ["a device that Triton has not", ["--triton", "x", "--device", "webgpu"], "error OPTION_UNKNOWN_VALUE"],
  ])("is refused: %s", async (_, flags, text) => {
    expect(await refused(root, "package", graphOf("dynamo"), ...flags)).toContain(text);
    expect(existsSync("x")).toBe(false);
  });

  it.each([
    ["a file as the repository", [graphOf("dynamo"), "--triton", graphOf("dynamo")], "FILE_NOT_WRITABLE"],
    [
      "a repository in a file",
      [graphOf("dynamo"), "--triton", `${graphOf("dynamo")}/x`],
      "FILE_NOT_WRITABLE",
    ],
    ["a model in a file", [`${graphOf("dynamo")}/x`, "--triton", "x"], "FILE_NOT_FOUND"],
  ])("is refused: %s", async (_, args, code) => {
    expect(await refused(root, "package", ...args)).toContain(`error ${code}: `);
  });
});

it("the schema has every field that the test's configurations use, under its number", () => {
  const type = modelConfigType();
  const ids = Object.fromEntries(type.fieldsArray.map(({ name, id }) => [name, id]));
  expect(ids).toMatchObject({
    ...{ name: 1, backend: 17, version_policy: 3, max_batch_size: 4, input: 5, output: 6, instance_group: 7 },
    ...{ dynamic_batching: 11, optimization: 12, sequence_batching: 13, parameters: 14, model_warmup: 16 },
  });
});

it("files of a repository are those that the report names", async () => {
  const repository = fresh();
  const { report } = await packaged(graphOf("dynamo"), repository, "--name", "austen");
  const files = filesIn(repository).filter((file) => statSync(path.join(repository, file)).isFile());
  expect(report.files.map((file) => path.relative(repository, file)).sort()).toEqual(files.sort());
});
