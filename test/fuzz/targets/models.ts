import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compile } from "../../../compiler/compile/compile.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import { nodesDeep } from "../../../compiler/ir/walk.ts";
import { openModel } from "../../../compiler/onnx/open.ts";
import { parseModel } from "../../../compiler/text/parse.ts";
import { printModel } from "../../../compiler/text/print.ts";
import { encodePlain } from "../../onnx/encode.ts";
import { everything } from "../../onnx/everything.ts";
import { bytesOf, tinyDecoder } from "../../support/tiny-decoder.ts";
import { mutateBytes } from "../mutate-bytes.ts";
import { mutateProtobuf } from "../mutate-protobuf.ts";
import { mutateText } from "../mutate-text.ts";
import { tests, type Mutate, type Target } from "./target.ts";

function seedFiles(): readonly Uint8Array[] {
  const folder = path.join(tests, "fuzz/seeds");
  const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
  return files.map((name) => readFileSync(path.join(folder, name)));
}

const models = (): readonly Uint8Array[] => [
  bytesOf(tinyDecoder()),
  Uint8Array.from(encodePlain("ModelProto", everything)),
  ...seedFiles(),
];

/** What is printed is read back, and printed the same: twice, since the first may differ in what text cannot say. */
function checkText(text: string): void {
  const again = printAgain(text);
  if (again !== text)
    throw new Error(`printed, read and printed again it differs:\n${firstDifference(text, again)}`);
}

/** What was printed is never refused: that would not be the file's fault. */
function printAgain(text: string): string {
  try {
    return printModel(parseModel(text));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const line = text.split("\n")[Number(/ at (\d+):/.exec(why)?.[1]) - 1] ?? "";
    throw new Error(`printed text is refused: ${why}\n${line.slice(0, 300)}`, { cause });
  }
}

function firstDifference(a: string, b: string): string {
  const [one, other] = [a.split("\n"), b.split("\n")];
  const at = one.findIndex((line, i) => line !== other[i]);
  return `${one[at] ?? ""}\n${other[at] ?? ""}`.slice(0, 600);
}

/** Whether a node reads a sparse initializer, which ONNX's syntax cannot write. */
function readsSparse(model: Model): boolean {
  return [...nodesDeep(model.graph)].some(({ inputs }) =>
    inputs.some((value) => value?.producer === null && value.constant === undefined && !value.isInput),
  );
}

async function readModel(folder: string): Promise<void> {
  const file = path.join(folder, "model.onnx");
  const { model } = openModel(file, new Sink());
  if (!readsSparse(model)) checkText(printModel(model));
  await compile({ input: file, output: path.join(folder, "out", "model.onnx"), settings: { rank: 1 } });
}

function onnx(name: string, mutate: Mutate): Target {
  const seeds = models();
  return {
    name,
    write: (folder, random) => {
      mkdirSync(path.join(folder, "out"), { recursive: true });
      writeFileSync(path.join(folder, "model.onnx"), mutate(random.of(seeds) ?? new Uint8Array(0), random));
    },
    read: readModel,
    writes: true,
  };
}

const texts = ["austen-llama-dynamo.dump", "families-llama2-mobius.dump"].map((name) =>
  path.join(tests, "golden", name),
);

/** Models, as files and as text. */
export const modelTargets: readonly Target[] = [
  onnx("onnx-structure", mutateProtobuf),
  onnx("onnx-bytes", mutateBytes),
  {
    name: "onnx-text",
    write: (folder, random) => {
      const text = readFileSync(random.of(texts) ?? "", "utf8");
      writeFileSync(path.join(folder, "model.txt"), mutateText(text, random));
    },
    read: (folder) => {
      const model = parseModel(readFileSync(path.join(folder, "model.txt"), "utf8"));
      checkText(printModel(model));
    },
  },
];
