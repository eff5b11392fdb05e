import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll } from "@jest/globals";
import proto from "onnx-proto";

const { onnx } = proto;

/** Element types by their number in TensorProto.DataType. */
export const FLOAT = 1;
export const INT64 = 7;
export const STRING = 8;
export const BOOL = 9;
export const HALF = 10;
export const BFLOAT = 16;

type Dims = readonly (number | string)[];
type Ports = Readonly<Record<string, readonly [type: number, dims: Dims]>>;

interface NodeText {
  readonly op: string;
  readonly in: readonly string[];
  readonly out: readonly string[];
  readonly ints?: Readonly<Record<string, number>>;
}

/** A small graph by hand. Initializers are float scalars, or int64 vectors where a list is given. */
export interface GraphText {
  readonly inputs: Ports;
  readonly outputs: Ports;
  readonly nodes: readonly NodeText[];
  readonly constants?: Readonly<Record<string, number | readonly number[]>>;
}

const folder = mkdtempSync(path.join(os.tmpdir(), "tfc-runtime-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A path in this test file's own temporary folder. */
export function temporary(name: string): string {
  return path.join(folder, name);
}

/** Writes the model and gives its path. */
export function graphFile(name: string, graph: GraphText): string {
  const message = onnx.ModelProto.create({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "g",
      input: ports(graph.inputs),
      output: ports(graph.outputs),
      initializer: Object.entries(graph.constants ?? {}).map(([key, value]) => constant(key, value)),
      node: graph.nodes.map((node) => ({
        opType: node.op,
        input: [...node.in],
        output: [...node.out],
        attribute: Object.entries(node.ints ?? {}).map(([key, i]) => ({ name: key, type: 2, i })),
      })),
    },
  });
  const file = temporary(name);
  writeFileSync(file, onnx.ModelProto.encode(message).finish());
  return file;
}

function ports(all: Ports): proto.onnx.IValueInfoProto[] {
  return Object.entries(all).map(([name, [elemType, dims]]) => ({
    name,
    type: {
      tensorType: {
        elemType,
        shape: {
          dim: dims.map((dim) =>
            typeof dim === "number" ? { dimValue: dim } : dim === "" ? {} : { dimParam: dim },
          ),
        },
      },
    },
  }));
}

function constant(name: string, value: number | readonly number[]): proto.onnx.ITensorProto {
  return typeof value === "number"
    ? { name, dataType: FLOAT, dims: [], floatData: [value] }
    : { name, dataType: INT64, dims: [value.length], int64Data: [...value] };
}

/** y = x * factor + 0, over any sequence. */
export function scaled(name: string, factor: number): string {
  return graphFile(name, {
    inputs: { x: [FLOAT, ["batch", "sequence", 4]] },
    outputs: { y: [FLOAT, ["batch", "sequence", 4]] },
    constants: { factor },
    nodes: [{ op: "Mul", in: ["x", "factor"], out: ["y"] }],
  });
}
