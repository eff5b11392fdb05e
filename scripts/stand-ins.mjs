import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const samples = "samples/models";
const austen = `${samples}/austen-llama`;

const template =
  "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

/**
 * Puts small models and data into a folder under the names that pages give to the reader's own, so that the commands
 * that they show can be run.
 *
 * @param {string} folder an empty one
 */
export async function standIns(folder) {
  const at = (...names) => join(folder, ...names);
  for (const name of [".", "smollm2", "exported"]) chatModel(at(name));
  cpSync(`${austen}/torchscript/model.onnx`, at("llama.onnx"));
  cpSync(`${austen}/tokenizer.json`, at("tokenizer.json"));
  lines("samples/train-chat/conversations.jsonl", at("conversations.jsonl"), 6);
  lines("samples/train/pride.txt", at("novel.txt"), 20);
  cpSync(`${samples}/peft/plain`, at("adapter"), { recursive: true });
  recorded(`${samples}/peft/plain/logits.safetensors`, at("recorded.safetensors"));
  cpSync(`${samples}/tokenformer/state_dict.safetensors`, at("state_dict.safetensors"));
  mkdirSync(at("qwen3-moe"));
  cpSync(`${samples}/new-families/qwen3-moe-torchscript/model.onnx`, at("qwen3-moe/model.onnx"));
  characters(at("qwen3-moe"), 56);
  await withLora(`${austen}/torchscript/model.onnx`, at("with-lora.onnx"));
  // The samples that some commands name beside files of the reader's own.
  mkdirSync(at("samples/train-chat"), { recursive: true });
  lines("samples/train-chat/conversations.jsonl", at("samples/train-chat/conversations.jsonl"), 5);
}

/** A model that has read Jane Austen, with the files of one that talks. */
function chatModel(folder) {
  mkdirSync(folder, { recursive: true });
  cpSync(`${austen}/torchscript/model.onnx`, join(folder, "model.onnx"));
  for (const file of ["generation_config.json", "tokenizer.json"])
    cpSync(join(austen, file), join(folder, file));
  // As long as the model that pages are about takes.
  const sizes = JSON.parse(readFileSync(join(austen, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...sizes, max_position_embeddings: 8192 }));
  const config = JSON.parse(readFileSync(join(austen, "tokenizer_config.json"), "utf8"));
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    JSON.stringify({ ...config, chat_template: template }),
  );
}

/** A tokenizer of so many ids, the end and one for each byte from the space on, and a template. */
function characters(folder, size) {
  const bytes = Array.from({ length: size - 1 }, (_, i) => (i === 0 ? "Ġ" : String.fromCharCode(0x60 + i)));
  const end = { id: 0, content: "</s>", special: true, single_word: false, lstrip: false, rstrip: false };
  const tokenizer = {
    normalizer: null,
    added_tokens: [{ ...end, normalized: false }],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(["</s>", ...bytes].map((one, i) => [one, i])),
      merges: [],
    },
  };
  const config = { tokenizer_class: "PreTrainedTokenizerFast", eos_token: "</s>", chat_template: template };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
}

/** The first lines of a text. */
function lines(from, to, count) {
  writeFileSync(to, readFileSync(from, "utf8").split("\n").slice(0, count).join("\n"));
}

/** The token ids and logits of one prompt, which the samples keep in two files. */
function recorded(logits, to) {
  const [inputs, outputs] = [tensorsIn(`${austen}/oracle.safetensors`), tensorsIn(logits)];
  const found = { input_ids: inputs.get("elinor.0.input_ids"), logits: outputs.get("elinor.0.logits") };
  const header = {};
  let size = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(found)) {
    header[name] = { dtype, shape, data_offsets: [size, size + bytes.length] };
    size += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(to, Buffer.concat([length, text, ...Object.values(found).map(({ bytes }) => bytes)]));
}

function tensorsIn(file) {
  const all = readFileSync(file);
  const data = 8 + Number(all.readBigUInt64LE(0));
  const header = Object.entries(JSON.parse(all.toString("utf8", 8, data)));
  return new Map(
    header
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => [name, { dtype, shape, bytes: all.subarray(data + from, data + to) }],
      ),
  );
}

/** A graph in which the exporter left LoRA of rank 2 beside every query projection. */
async function withLora(from, to) {
  const [{ Sink }, { after, Builder }, { Rewriter }, { emitModel }, { openModel }] = await Promise.all(
    ["diagnostics/sink", "ir/builder", "ir/rewriter", "onnx/emit", "onnx/open"].map(
      (name) => import(`../dist/compiler/${name}.js`),
    ),
  );
  const { model } = openModel(from, new Sink());
  const rw = new Rewriter();
  for (const node of [...model.graph.nodes]) {
    if (node.op !== "MatMul" || !/q_proj/.test(node.name ?? "")) continue;
    const [x, weight] = node.inputs;
    const [width, out] = weight.constant.shape;
    const factor = (name, rows, columns) =>
      b.constant("float", [rows, columns], wave(rows * columns), `${node.name}/lora_${name}`);
    const readers = [...node.result.uses];
    const b = new Builder(rw, after(node));
    const inner = b.op("MatMul", [x, factor("A", width, 2)], `${node.name}/lora_A_out`);
    const outer = b.op("MatMul", [inner, factor("B", 2, out)], `${node.name}/lora_B_out`);
    const scaled = b.op("Mul", [outer, b.constant("float", [], [2], "scaling")], `${node.name}/scaled`);
    const sum = b.op("Add", [node.result, scaled], `${node.name}/with_lora`);
    rw.replaceUses(node.result, sum, (use) => readers.includes(use));
  }
  writeFileSync(to, Buffer.concat(emitModel(model).pieces));
}

/** Small numbers of both signs. */
function wave(count) {
  return Array.from({ length: count }, (_, i) => 0.02 * Math.sin(i));
}
