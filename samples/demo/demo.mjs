/**
 * The whole way in a minute: compile a model that PyTorch exported, show that nothing changed, let it write.
 *
 *     npm run demo
 */
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { heading, say, tfc } from "./terminal.mjs";

const root = path.resolve(import.meta.dirname, "../..");
process.chdir(root);

const folder = "samples/models/austen-llama";
const base = `${folder}/dynamo/model.onnx`;
const compiled = "out/demo/model.onnx";
const prompt = "It is a truth universally acknowledged, that";

if (!existsSync("dist/runtime/index.js")) {
  console.error("The demo runs what `npm run build` makes; build first, then `npm run demo`.");
  process.exit(1);
}
const { loadModel } = await import("../../dist/runtime/index.js");
mkdirSync(path.dirname(compiled), { recursive: true });

say(`tfc puts Tokenformer adapters into decoder graphs, and leaves what the model computes as it was
until the adapters are trained. The model here is a small Llama (six layers, 1.4 million
parameters) that has read the novels of Jane Austen, exported by PyTorch to ONNX.`);

heading("1. Compile");
say(`Recognize attention and MLP in the exported graph, make each a named module, and put a
token-parameter adapter beside each.`);
tfc("compile", base, "-o", compiled, "--adapter", "scalarlm", "--sites", "mlp,attn");

heading("2. Verify");
say(`Run both graphs in onnxruntime on the same inputs: one row and two, short and long, with and
without a past. A fresh adapter adds exactly zero, so every output must be equal.`);
tfc("verify", base, compiled);

heading("3. Write");
say("The compiled graph continues a sentence, token by token, with its cache.");
const options = { maxNewTokens: 48 };
const text = await write(compiled, { ...options, show: true });
const same = text === (await write(base, options));
say(`The base model writes ${same ? "the same, letter for letter" : "something else: please report this"}.`);

heading("Next");
say(`npx tfc --help              the commands
npx tfc inspect ${base}
                            what tfc sees in the model
${compiled}         the compiled graph, for any onnxruntime`);
process.exitCode = same ? 0 : 1;

/** The continuation of the prompt; shown as it comes if asked for. */
async function write(file, { show = false, ...options }) {
  const model = await loadModel(file, { tokenizer: folder });
  let text = "";
  if (show) process.stdout.write(`\n  ${prompt}`);
  for await (const piece of model.generate({ prompt, ...options })) {
    text += piece;
    if (show) process.stdout.write(piece.replaceAll("\n", "\n  "));
  }
  if (show) process.stdout.write(" ...\n");
  await model.close();
  return text;
}
