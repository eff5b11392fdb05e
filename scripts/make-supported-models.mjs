/**
 * Makes docs/supported-models.md: every model under samples/models is inspected, compiled with fresh adapters,
 * compared with its base in onnxruntime, and trained for a few steps. Run it by `npm run docs:models` after a build.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "../dist/compiler/compile/compile.js";
import { inspection } from "../dist/compiler/compile/inspect.js";
import { headSizes } from "../dist/compiler/compile/verify/head-sizes.js";
import { openDecoder } from "../dist/compiler/compile/open-decoder.js";
import { verify } from "../dist/runtime/index.js";
import { lossesOf, STEPS, trainsText } from "./trains.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const models = join(root, "samples/models");

/** The models, those of families behind the trained ones. */
function modelFiles() {
  const files = readdirSync(models, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".onnx"));
  const isFamily = (file) => /^(new-)?families/.test(file);
  return files.sort((a, b) => isFamily(a) - isFamily(b) || (a < b ? -1 : 1));
}

function understood(report) {
  const layer = report.layers.find((l) => l.attention !== null);
  const attention = layer?.attention;
  if (!attention) return ["–", "–", "–", "–"];
  const rotary = attention.rotary;
  return [
    attention.scale === null
      ? "unknown"
      : `${Number(attention.scale.value.toPrecision(4))} (${attention.scale.at})`,
    attention.mask.kind,
    rotary === null ? "none" : rotary.kind + (rotary.partial ? ", partial" : ""),
    attention.cache === null ? "none" : attention.cache.kind,
  ];
}

/** Compares a model compiled with fresh adapters with its base; paged attention is lowered in both. */
async function verified(file, style, folder) {
  const output = join(folder, "model.onnx");
  const lowerPagedAttention = style === "vllm";
  await compile({ input: file, output, settings: { heads: 2, rank: 4 }, lowerPagedAttention });
  let base = file;
  if (lowerPagedAttention) {
    base = join(folder, "base.onnx");
    await compile({ input: file, output: base, adapters: false, lowerPagedAttention });
  }
  const report = await verify(base, output, { symbols: headSizes(file) });
  const levels = report.levels.map((level) => {
    const how = level.exact ? "to the bit" : `within ${level.maxAbs?.toPrecision(2) ?? "?"}`;
    return `${level.optimizations}: ${level.same ? how : `differs (${how})`}`;
  });
  return levels.join(", ") + (lowerPagedAttention ? " (both lowered)" : "");
}

/** What a failure says, short enough for a table. */
function reason(error) {
  const found = error.diagnostics?.[0]?.found ?? error.message;
  if (found.includes("Could not find an implementation")) return "not run: no bfloat16 on the CPU";
  // An op without a rule for its gradient is named.
  return error.code === "NO_GRADIENT_RULE" ? `${error.code}: ${found}` : `${error.code}`;
}

/** What comes of trying; a failure is told, and the table goes on. */
async function tried(attempt) {
  const folder = mkdtempSync(join(tmpdir(), "tfc-models-"));
  try {
    return await attempt(folder);
  } catch (error) {
    if (error.code === undefined) throw error;
    return reason(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function row(name) {
  const file = join(models, name);
  const report = inspection(openDecoder(file));
  const { matched, seen } = report;
  return [
    name.endsWith("/model.onnx") ? dirname(name) : name.replace(/\.onnx$/, ""),
    report.style,
    `${matched.attention} of ${seen.attention}`,
    `${matched.mlp} of ${seen.mlp}`,
    ...understood(report),
    await tried((folder) => verified(file, report.style, folder)),
    await tried(async (folder) => trainsText(await lossesOf(file, folder, STEPS))),
  ];
}

const head = [
  "model",
  "style",
  "attention",
  "MLP",
  "scale",
  "mask",
  "rotary",
  "cache",
  "compiled equals base",
  `loss, ${STEPS} steps`,
];
const lines = [head, head.map(() => "---")];
for (const name of modelFiles()) lines.push(await row(name));
const widths = head.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
const padded = lines.map((cells) =>
  cells.map((c, i) => (c === "---" ? "-".repeat(widths[i]) : c.padEnd(widths[i]))),
);
const table = padded.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
const text = `# Supported models

Every model that this repository ships, as \`npm run docs:models\` finds it: blocks understood of blocks seen, what was
understood of the first attention block, whether the model compiled with fresh adapters equals its base in
onnxruntime on the CPU, with graph optimizations off (to the last bit) and on (within 1e-5), and how the loss falls when
these adapters are trained for ${STEPS} steps on one batch of tokens, drawn at random (\`scripts/trains.mjs\`).

${table}
`;
writeFileSync(join(root, "docs/supported-models.md"), text);
process.stdout.write(text);
