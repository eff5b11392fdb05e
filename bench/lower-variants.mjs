import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lengthOf } from "./lower-columns.mjs";

/**
 * A model that is measured beside the export.
 *
 * @typedef {object} Variant
 * @property {string} name
 * @property {"concat" | "shared" | "products"} form how its caches are fed
 * @property {"tool" | "tfc" | "floor"} by
 * @property {"fp32" | "int4"} precision
 * @property {string} file in the model's folder
 * @property {readonly string[]} make arguments of lower-models.py, or of `tfc compile`
 * @property {string | readonly string[]} [needs] a Python module, or flags of `tfc compile`
 * @property {number} [rows] those that it takes, no other number of them
 * @property {boolean} [packs] whether q, k and v, and gate and up, are one product each
 * @property {string} [twin] the variant that it is without its adapters
 */

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const tfc = fileURLToPath(new URL("../bin/tfc.js", import.meta.url));

/** What adapters are measured with. */
const ADAPTER = ["--adapter", "scalarlm", "--rank", "32"];

/** Other tools' graphs. Those of genai take their caches both ways. */
function peers(folder) {
  const export_ = join(folder, "model.onnx");
  const genai = (precision, form) => ({
    name: `genai's builder, ${precision}, ${formText(form)}`,
    form,
    by: "tool",
    precision,
    file: `genai-${precision}/model.onnx`,
    make: ["genai", join(folder, "hf"), join(folder, `genai-${precision}`, "model.onnx"), precision],
    needs: "onnxruntime_genai",
  });
  const rewriter = (name, file, needs) => ({
    name: name === "ort-optimizer" ? "onnxruntime's transformers.optimizer" : `onnxscript's ${name}`,
    form: "concat",
    by: "tool",
    precision: "fp32",
    file,
    make: [name, export_, join(folder, file)],
    needs,
  });
  return [
    rewriter("optimize_for_ort", "optimize-for-ort.onnx", "onnxscript"),
    rewriter("ort-optimizer", "ort-optimizer.onnx", "onnxruntime.transformers"),
    genai("fp32", "concat"),
    genai("fp32", "shared"),
    genai("int4", "shared"),
  ];
}

function formText(form) {
  return form === "shared" ? "shared caches" : "joined caches";
}

/**
 * tfc's graphs of an export: both caches, each with and without adapters, with the last logits, in 4 bits, of one row,
 * without padding, and with projections packed.
 */
function compiled(length) {
  const shared = ["--kv", "shared", "--max-length", String(length)];
  const one = (name, file, precision, flags) => {
    const form = flags.includes("shared") ? "shared" : "concat";
    const needs = flags.filter((flag) => flag.startsWith("--"));
    const rows = flags.includes("--batch") ? { rows: 1 } : {};
    const packs = flags.includes("--pack");
    const plain = {
      name: `tfc, ${name}`,
      file: `tfc-${file}.onnx`,
      form,
      by: "tfc",
      precision,
      needs,
      packs,
      ...rows,
    };
    const adapted = {
      ...plain,
      name: `${plain.name}, scalarlm`,
      file: `tfc-${file}-adapted.onnx`,
      twin: plain.name,
    };
    return [
      { ...plain, make: [...flags, "--no-adapters"] },
      { ...adapted, make: [...flags, ...ADAPTER] },
    ];
  };
  const int4 = ["--quantize", "int4"];
  const oneRow = ["--batch", "1", ...shared];
  const unpadded = ["--unpadded", "--pack", ...oneRow];
  const alone = ([plain]) => [plain];
  return [
    ...one("fp32, joined caches", "joined", "fp32", []),
    ...alone(one("fp32, joined caches, last logits", "joined-last", "fp32", ["--last-logits"])),
    ...one("fp32, shared caches", "shared", "fp32", shared),
    ...alone(one("fp32, shared caches, last logits", "shared-last", "fp32", [...shared, "--last-logits"])),
    ...alone(one("fp32, shared caches, one row", "shared-row", "fp32", oneRow)),
    ...alone(one("fp32, shared caches, one row, unpadded, packed", "unpadded-packed", "fp32", unpadded)),
    ...alone(one("int4, joined caches", "int4-joined", "int4", int4)),
    ...alone(one("int4, joined caches, packed", "int4-joined-packed", "int4", [...int4, "--pack"])),
    ...one("int4, shared caches", "int4", "int4", [...int4, ...shared]),
    ...alone(one("int4, shared caches, one row", "int4-row", "int4", [...int4, ...oneRow])),
    ...alone(
      one("int4, shared caches, one row, packed", "int4-row-packed", "int4", [...int4, "--pack", ...oneRow]),
    ),
    ...alone(
      one("int4, shared caches, one row, unpadded, packed", "int4-unpadded-packed", "int4", [
        ...[...int4, ...unpadded],
      ]),
    ),
    ...alone(
      one("int4 symmetric, shared caches", "int4-symmetric", "int4", [...int4, "--symmetric", ...shared]),
    ),
    ...alone(
      one("int4 symmetric, shared caches, one row", "int4-symmetric-row", "int4", [
        ...[...int4, "--symmetric", ...oneRow],
      ]),
    ),
    ...alone(
      one(
        "int4 symmetric, shared caches, one row, unpadded, packed",
        "int4-symmetric-unpadded-packed",
        "int4",
        [...[...int4, "--symmetric", ...unpadded]],
      ),
    ),
  ];
}

/** All that is measured of one model, in the order of the table. */
export function variantsOf(folder, columns) {
  const [model, floor, int4] = ["model.onnx", "floor.onnx", "floor-int4.onnx"].map((file) =>
    join(folder, file),
  );
  const products = { form: "products", by: "floor" };
  return [
    ...peers(folder),
    ...compiled(lengthOf(columns)),
    {
      ...{ name: "products with weights alone", file: "floor.onnx", precision: "fp32" },
      ...{ ...products, make: ["floor", model, floor] },
    },
    {
      ...{ name: "products with weights alone, int4", file: "floor-int4.onnx", precision: "int4" },
      ...{ ...products, make: ["floor-int4", floor, int4] },
    },
  ];
}

/**
 * Makes the models that are not there yet.
 *
 * @returns {readonly (Variant & { missing?: string })[]} with why one cannot be had; none of flags that tfc has not
 */
export function makeVariants(python, folder, variants) {
  const help = run(process.execPath, [tfc, "compile", "--help"]);
  return variants
    .filter(({ by, needs }) => by !== "tfc" || needs.every((flag) => help.includes(` ${flag} `)))
    .map((variant) => {
      const { by, needs, make, file } = variant;
      const target = join(folder, file);
      if (by === "tool" && spawnSync(python, ["-c", `import ${needs}`]).status !== 0)
        return { ...variant, missing: "not installed" };
      // Other tools take minutes, and what tfc makes is what is looked at.
      if (by !== "tfc" && existsSync(target)) return variant;
      try {
        if (by === "tfc")
          run(process.execPath, [
            tfc,
            "compile",
            join(folder, "model.onnx"),
            "-o",
            target,
            "--for",
            "cpu",
            ...make,
          ]);
        else run(python, [here("lower-models.py"), ...make]);
        return variant;
      } catch (error) {
        return { ...variant, missing: `failed: ${lastLine(error.message.replaceAll(`${folder}/`, ""))}` };
      }
    });
}

/** Makes an export with random weights, and its Hugging Face folder. */
export function makeExport(python, folder, shape) {
  if (existsSync(join(folder, "model.onnx"))) return;
  run(python, [here("lower-models.py"), "base", folder, JSON.stringify(shape)]);
}

/** The standard output of a program that succeeds. */
export function run(program, args, options = {}) {
  const done = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (done.status === 0) return done.stdout;
  throw new Error(`${[program, ...args].join(" ")} failed:\n${done.stderr ?? done.error?.message ?? ""}`);
}

function lastLine(text) {
  return text.trim().split("\n").at(-1).slice(0, 160);
}
