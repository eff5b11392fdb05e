import { statSync } from "node:fs";
import { cpus, release, type } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { models } from "./llama.mjs";
import {
  bundleCodec,
  codecAlone,
  findPython,
  peakMemory,
  peer,
  peersIn,
  pythonLoadSave,
  pythonVersions,
  scriptOutput,
  tfcCompile,
  wallTimes,
} from "./measure.mjs";
import { median } from "./median.mjs";
import { markdownTable } from "./table.mjs";
import { reads, withFolder, writeModel } from "./workplace.mjs";

const options = {
  runs: { type: "string", default: "7" },
  models: { type: "string", default: Object.keys(models).join(",") },
  plain: { type: "boolean", default: false },
  slow: { type: "boolean", default: false },
};

/**
 * `tfc compile` beside a Python process that loads and saves the same graph, at the sizes of real Llamas.
 *
 * `--slow` also runs onnxscript's and onnxruntime's optimizers, which take minutes, once each;
 * `--runs N` counted runs of each program; `--models A,B` some of the models; `--plain` graphs without the notes that
 * torch's exporter leaves on nodes.
 */
export async function run(args) {
  const { values } = parseArgs({ args, options });
  const python = findPython();
  if (python === null) {
    console.error(
      "no Python with the onnx package, so tfc is measured alone; to compare: pip install onnx, and set PYTHON\n",
    );
  }
  console.log(machine(python));
  const measured = [];
  for (const name of values.models.split(",")) {
    if (models[name] === undefined)
      throw new Error(`no model ${name}; there are ${Object.keys(models).join(", ")}`);
    console.error(`measuring ${name}`);
    measured.push({
      name,
      ...(await measure(models[name], python, {
        runs: Number(values.runs),
        notes: !values.plain,
        isSlow: values.slow,
      })),
    });
  }
  for (const table of [compared(measured, python), memory(measured, python), stages(measured)])
    console.log(`\n${table}`);
}

function machine(python) {
  const processors = cpus();
  const versions = [`Node ${process.versions.node}`, ...(python === null ? [] : [pythonVersions(python)])];
  return `${processors.length} × ${processors[0]?.model ?? "?"}, ${type()} ${release()}, ${versions.join(", ")}`;
}

function measure(llama, python, { runs, notes, isSlow }) {
  return withFolder((folder) => {
    // First, since what comes behind the model is removed between runs.
    const codec = bundleCodec(folder);
    const model = writeModel(folder, llama, { notes });
    const tools = python === null ? [] : peersIn(python);
    const programs = {
      tfc: tfcCompile(model.graph),
      // The least adapters there are: what it takes without writing weights.
      graph: tfcCompile(model.graph, "--heads", "1", "--rank", "1"),
      codec: codecAlone(codec, model.graph, join(folder, "decoded.bin")),
      ...(python === null ? {} : { python: pythonLoadSave(python, model.graph, join(folder, "saved.onnx")) }),
      ...(tools.includes("onnx-ir")
        ? { ir: peer(python, "onnx-ir", model.graph, join(folder, "ir.onnx")) }
        : {}),
    };
    const times = wallTimes(programs, runs, model.clean);
    const slow = isSlow ? tools.filter((tool) => tool !== "onnx-ir") : [];
    for (const tool of slow) {
      const program = peer(python, tool, model.graph, join(folder, "optimized.onnx"));
      times[tool] = wallTimes({ [tool]: program }, 0, model.clean)[tool];
    }
    const memory = {};
    const readsWeights = {};
    let adapterBytes = 0;
    for (const [name, program] of Object.entries(programs).filter(
      ([name]) => !["codec", "ir"].includes(name),
    )) {
      readsWeights[name] = reads(model.weights, () => (memory[name] = peakMemory(program, folder)));
      if (name === "tfc") adapterBytes = statSync(join(folder, "model.tfc.adapters.safetensors")).size;
      model.clean();
    }
    const writes = Array.from({ length: 3 }, () =>
      Number(scriptOutput("plain-write.mjs", join(folder, "plain.bin"), String(adapterBytes)).time),
    );
    times.plainWrite = median(writes);
    const stageRuns = Array.from({ length: 3 }, () => scriptOutput("stages.mjs", model.graph).times);
    const stageTimes = Object.fromEntries(
      Object.keys(stageRuns[0]).map((stage) => [stage, median(stageRuns.map((times) => times[stage]))]),
    );
    return { layers: llama.layers, ...model, times, memory, readsWeights, adapterBytes, stageTimes };
  });
}

function compared(measured, python) {
  const head = [
    "model",
    "layers",
    "nodes",
    "graph file",
    "tfc",
    "adapter file",
    "making and writing it",
    "writing as much",
    "tfc without it",
    "read and write alone",
  ];
  if (python !== null) head.push("Python", "tfc / Python", "without it", "read and write alone");
  const hasIr = measured.some(({ times }) => times.ir !== undefined);
  if (hasIr) head.push("onnx-ir", "without it / onnx-ir");
  const slow = ["optimize_for_ort", "ort-optimizer"].filter((tool) =>
    measured.some(({ times }) => times[tool] !== undefined),
  );
  head.push(...slow);
  const rows = measured.map(({ name, layers, nodes, graphBytes, adapterBytes, times }) => {
    const { tfc, graph, codec, python: other } = times;
    const own = [
      name,
      layers,
      nodes,
      megabytes(graphBytes),
      ms(tfc),
      megabytes(adapterBytes),
      ms(tfc - graph),
      ms(times.plainWrite),
      ms(graph),
      ms(codec),
    ];
    const beside =
      python === null ? [] : [ms(other), ratio(tfc, other), ratio(graph, other), ratio(codec, other)];
    const ir = hasIr ? [ms(times.ir), ratio(graph, times.ir)] : [];
    return [...own, ...beside, ...ir, ...slow.map((tool) => ms(times[tool]))].map(String);
  });
  return markdownTable(head, rows);
}

function memory(measured, python) {
  const head = [
    "model",
    "weights",
    "tfc reads of them",
    "tfc peak memory",
    ...(python === null ? [] : ["Python peak memory"]),
  ];
  const rows = measured.map(({ name, weightBytes, readsWeights, memory }) => {
    const read = { true: "something", false: "nothing", null: "not known here" }[String(readsWeights.tfc)];
    const own = [name, `${(weightBytes / 1e9).toFixed(2)} GB`, read, megabytes(memory.tfc)];
    return [...own, ...(python === null ? [] : [megabytes(memory.python)])];
  });
  return markdownTable(head, rows);
}

/** Milliseconds of each stage, and nodes a second: about the same for every size if time is linear. */
function stages(measured) {
  const names = Object.keys(measured[0]?.stageTimes ?? {});
  const rows = measured.map(({ name, nodes, stageTimes }) => {
    const total = Object.values(stageTimes).reduce((a, b) => a + b, 0);
    const cell = (time) => `${ms(time)} (${Math.round(nodes / time)}k/s)`;
    return [name, ...names.map((stage) => cell(stageTimes[stage])), cell(total)];
  });
  return markdownTable(["model", ...names, "all"], rows);
}

function ms(time) {
  return `${time.toFixed(0)} ms`;
}

function megabytes(bytes) {
  return bytes === null ? "not known here" : `${(bytes / 1e6).toFixed(1)} MB`;
}

function ratio(a, b) {
  return `${(a / b).toFixed(2)} ×`;
}
