import { parse } from "node:path";
import { Sink } from "../dist/compiler/diagnostics/sink.js";
import { Rewriter } from "../dist/compiler/ir/rewriter.js";
import { emitModel } from "../dist/compiler/onnx/emit.js";
import { openModel } from "../dist/compiler/onnx/open.js";
import { runPasses, step } from "../dist/compiler/pass/runner.js";
import { viewDecoder } from "../dist/compiler/recognize/decoder.js";
import { injectAdapters, outlineAttention, outlineMlp } from "../dist/passes/index.js";

/*
 * `node stages.mjs model.onnx`: times the stages of one compilation in a fresh process, as `tfc compile` runs them,
 * and prints milliseconds as JSON. Adapters are placed, but their numbers not made.
 */
const [file = ""] = process.argv.slice(2);
const marks = [performance.now()];
const mark = () => marks.push(performance.now());

const { model } = openModel(file, new Sink());
const nodes = model.graph.size;
mark();
viewDecoder(model);
mark();
runPasses(model, [step(outlineAttention), step(outlineMlp)], new Sink());
mark();
runPasses(model, [step(injectAdapters)], new Sink());
placeAdapters();
mark();
emitModel(model);
mark();

const names = ["import", "recognize", "outline", "inject", "emit"];
const times = Object.fromEntries(names.map((name, i) => [name, marks[i + 1] - marks[i]]));
process.stdout.write(JSON.stringify({ nodes, times }));

/** Says of each adapter weight that it is in a file, as compiling does before it writes that file. */
function placeAdapters() {
  const rw = new Rewriter();
  const location = `${parse(file).name}.adapters.safetensors`;
  for (const value of model.graph.initializers) {
    if (value.constant.storage.kind !== "deferred") continue;
    const range = { file: location, offset: 0, length: value.constant.size };
    rw.setConstant(value, value.constant.stored({ kind: "external", location, range }));
  }
}
