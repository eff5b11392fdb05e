/**
 * How many attention blocks tfc understands, beside how many onnxscript's and onnxruntime's pattern matchers fuse,
 * in the same files. Prints a table; `--write` puts it into docs/fusions.md.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { openDecoder } from "../dist/compiler/compile/open-decoder.js";
import { counts } from "../dist/compiler/recognize/decoder.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** `samples/models/families/qwen3-dynamo/model.onnx` → `families/qwen3-dynamo` */
function label(file) {
  const path = relative(join(root, "samples/models"), file);
  return path.startsWith("..") ? basename(file, ".onnx") : path.replace(/(\/model)?\.onnx$/, "");
}

function understood(file) {
  const { matched, seen } = counts(openDecoder(file).view, "attention");
  return `${matched} of ${seen}`;
}

/** A count as the tool left it; what was an attention op before it began is none of its finding. */
function cell(count, before) {
  if (typeof count !== "number") return `failed: ${count.split(":")[0]}`;
  return before > 0 ? `${count} (${before} were ops already)` : String(count);
}

/** @param {readonly string[]} args further .onnx files, and `--write` */
export async function run(args) {
  const models = join(root, "samples/models");
  const shipped = readdirSync(models, { recursive: true, encoding: "utf8" }).filter((f) =>
    f.endsWith(".onnx"),
  );
  const files = [...shipped.sort().map((f) => join(models, f)), ...args.filter((a) => a.endsWith(".onnx"))];
  const python = process.env.PYTHON ?? "python3";
  const script = join(root, "bench/fusions.py");
  const options = { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 26 };
  const found = execFileSync(python, [script, ...files], options);
  const rows = found
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map((row) => [
      label(row.model),
      understood(row.model),
      cell(row.onnxscript, row.before),
      cell(row.onnxruntime, row.before),
    ]);
  const head = ["model", "tfc", "onnxscript", "onnxruntime"];
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i].length)));
  const line = (cells) => `| ${cells.map((c, i) => c.padEnd(widths[i])).join(" | ")} |`;
  const table = [line(head), line(widths.map((w) => "-".repeat(w))), ...rows.map(line)].join("\n");
  console.log(table);
  if (args.includes("--write")) writeFileSync(join(root, "docs/fusions.md"), page(table));
}

function page(table) {
  return `# Attention found by tfc and by others

In the same files: attention blocks that tfc understands of those it sees; attention ops (Attention, MultiHeadAttention,
GroupQueryAttention and their kin) in the graph that onnxscript's \`optimize_for_ort\` leaves; and in the one that
onnxruntime's transformers optimizer leaves, with the model type that finds most.

The tools differ in what they are for: the other two fuse what they match into one op, which is more than tfc's
outlining asks for. The table compares how much each recognizes. \`npm run bench -- fusions --write\` makes this page; it
needs Python with onnx, onnx-ir, onnxscript and onnxruntime (versions: samples/export/requirements-torch.txt).

${table}
`;
}
