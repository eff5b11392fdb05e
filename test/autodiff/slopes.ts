import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backward } from "../../compiler/autodiff/backward.ts";
import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { verifyModel } from "../../compiler/ir/verify.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { random } from "../../runtime/session/random.ts";
import { openSession } from "../../runtime/session/session.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";

/** An operand of a case: floats, drawn or given, whose gradient is checked, or whole numbers. */
export interface Operand {
  readonly shape: readonly number[];
  /** Whole numbers, which have no gradient. */
  readonly integers?: readonly number[];
  /** The type of whole numbers, or of floats. Default: int64, float. */
  readonly dtype?: "int64" | "int32" | "bool" | "uint8" | "int8" | "float" | "double";
  readonly floats?: readonly number[];
  /** Whether its gradient is left out: a table of cosines, a mask. */
  readonly fixed?: true;
}

/** A few nodes, and what to vary. */
export interface SlopeCase {
  readonly name: string;
  /** Nodes in ONNX's textual syntax. */
  readonly body: string;
  readonly inputs: Readonly<Record<string, Operand>>;
  /** Shapes of the results that gradients come in at. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly opset?: number;
  /** How far each element is moved. */
  readonly step?: number;
}

/** Where the nodes are, and what is known of their shapes. */
export const forms = ["in the main graph", "in a function", "of unknown rank"] as const;
export type Form = (typeof forms)[number];

/** A gradient and the slope by differences, of every operand that has one. */
export interface Slope {
  readonly name: string;
  readonly gradient: readonly number[];
  readonly slope: readonly number[];
}

/** The model with a seed `d_…` for each result and `g_…`, the gradients, beside the results. */
export function differentiated(of: SlopeCase, form: Form): Model {
  const model = parseModel(textOf(of, form));
  const { graph } = model;
  const rw = new Rewriter("differentiate");
  const input = (name: string): Value => {
    const value = graph.inputs.find((one) => one.name === name);
    if (value === undefined) throw new Error(`no input ${name}`);
    return value;
  };
  const wanted = wantedOf(of).map(input);
  const seeds = new Map(graph.outputs.map((value) => [value, input(`d_${value.name ?? ""}`)] as const));
  const memory = form === "in a function" ? "recompute" : "none";
  const found = backward(model, rw, { seeds, wanted, nodes: [...graph.nodes], memory });
  const b = new Builder(rw, atEnd(graph));
  for (const value of wanted) {
    const gradient = found.get(value);
    if (gradient === undefined) throw new Error(`${value.name ?? ""} has no gradient`);
    // Two operands may have one gradient.
    const result = b.op("Identity", [gradient], `g_${value.name ?? ""}`);
    rw.setType(result, value.type);
    rw.setOutput(graph, graph.outputs.length, result);
  }
  verifyModel(model);
  return model;
}

/** Runs a case's gradients, and its results with each element moved up and down. */
export async function slopesOf(of: SlopeCase, form: Form): Promise<readonly Slope[]> {
  const feeds = feedsFor(of);
  const folder = mkdtempSync(join(tmpdir(), "tfc-slopes-"));
  try {
    const run = await opened(folder, differentiated(of, form), "gradients");
    const results = await run(feeds);
    const forward = await opened(folder, parseModel(textOf(of, form)), "forward");
    const slopes: Slope[] = [];
    for (const name of wantedOf(of)) {
      const gradient = numbersOf(results.get(`g_${name}`));
      slopes.push({ name, gradient, slope: await slope(of, name, feeds, forward) });
    }
    return slopes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

type Run = (feeds: Tensors) => Promise<Tensors>;

async function opened(folder: string, model: Model, name: string): Promise<Run> {
  const file = join(folder, `${name}.onnx`);
  writePieces(file, emitModel(model).pieces);
  const session = await openSession(file, { optimizations: "off", threads: 1 });
  return (feeds) => session.run(feeds);
}

async function slope(of: SlopeCase, name: string, feeds: Tensors, run: Run): Promise<readonly number[]> {
  const at = feeds.get(name);
  if (at === undefined) throw new Error(`no operand ${name}`);
  const [numbers, step] = [numbersOf(at), of.step ?? 0.01];
  const dtype = at.dtype === "double" ? "double" : "float";
  const slopes: number[] = [];
  for (const i of numbers.keys()) {
    const loss = async (move: number): Promise<number> => {
      const moved = tensorFrom(dtype, at.dims, (n) => (numbers[n] ?? 0) + (n === i ? move : 0));
      const results = await run(new Map([...feeds, [name, moved]]));
      return Object.keys(of.outputs).reduce((sum, result) => {
        const seed = numbersOf(feeds.get(`d_${result}`));
        return numbersOf(results.get(result)).reduce((all, y, n) => all + y * (seed[n] ?? 0), sum);
      }, 0);
    };
    slopes.push(((await loss(step)) - (await loss(-step))) / (2 * step));
  }
  return slopes;
}

function wantedOf({ inputs }: SlopeCase): readonly string[] {
  return Object.keys(inputs).filter((name) => {
    const operand = inputs[name];
    return operand?.integers === undefined && operand?.fixed !== true;
  });
}

function feedsFor({ inputs, outputs }: SlopeCase): Tensors {
  const drawn = (name: string, shape: readonly number[], dtype: "float" | "double"): HostTensor => {
    const numbers = random(12, name);
    return tensorFrom(dtype, shape, () => numbers.normal());
  };
  const operands = Object.entries(inputs).map(([name, operand]) => {
    const { shape, integers, floats } = operand;
    const dtype = typeOf(operand);
    const given = integers ?? floats;
    if (given !== undefined) return [name, tensorFrom(dtype, shape, (i) => given[i] ?? 0)] as const;
    return [name, drawn(name, shape, dtype === "double" ? dtype : "float")] as const;
  });
  const type = resultType(inputs);
  const seeds = Object.entries(outputs).map(
    ([name, shape]) => [`d_${name}`, drawn(`d_${name}`, shape, type)] as const,
  );
  return new Map([...operands, ...seeds]);
}

function typeOf({ dtype, integers }: Operand): NonNullable<Operand["dtype"]> {
  return dtype ?? (integers === undefined ? "float" : "int64");
}

function resultType(inputs: SlopeCase["inputs"]): "float" | "double" {
  return Object.values(inputs).some(({ dtype }) => dtype === "double") ? "double" : "float";
}

function textOf({ body, inputs, outputs, opset }: SlopeCase, form: Form): string {
  const sizes = (shape: readonly number[]): string =>
    form === "of unknown rank" ? "[]" : shape.length === 0 ? "" : `[${shape.join()}]`;
  const operands = Object.keys(inputs).join(", ");
  const results = Object.keys(outputs).join(", ");
  const typed = Object.entries(inputs).map(
    ([name, operand]) => `${typeOf(operand)}${sizes(operand.shape)} ${name}`,
  );
  const type = resultType(inputs);
  const made = Object.entries(outputs).map(([name, shape]) => `${type}${sizes(shape)} ${name}`);
  const seeds = Object.entries(outputs).map(([name, shape]) => `${type}${sizes(shape)} d_${name}`);
  const opsets = `opset_import: ["" : ${opset ?? 23}, "com.microsoft" : 1, "tfc" : 1]`;
  const head = `<ir_version: 10, ${opsets}>\nmain (${[...typed, ...seeds].join(", ")}) => (${made.join(", ")})`;
  if (form !== "in a function") return `${head} {\n${body}\n}`;
  return (
    `${head} {\n  ${results} = tfc.Nodes (${operands})\n}\n` +
    `<domain: "tfc", ${opsets}>\nNodes (${operands}) => (${results}) {\n${body}\n}`
  );
}

function numbersOf(tensor: HostTensor | undefined): readonly number[] {
  if (tensor === undefined) throw new Error("no such tensor");
  return Array.from(tensor.data as ArrayLike<number>, Number);
}
