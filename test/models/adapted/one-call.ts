import path from "node:path";
import type { AdapterKind, Shapes } from "../../../compiler/adapters/kind.ts";
import type { Loc } from "../../../compiler/ir/entity.ts";
import { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { TFC_DOMAIN } from "../../../compiler/sites/site.ts";
import { Tensor } from "../../../compiler/ir/tensor.ts";
import { tensorType, type Dim } from "../../../compiler/ir/type.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { emitModel } from "../../../compiler/onnx/emit.ts";
import { writePieces } from "../../../compiler/onnx/output.ts";
import { toHalf } from "../../../compiler/weights/half.ts";
import { readSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { tensorFrom, type HostTensor } from "../../../runtime/session/tensor.ts";
import { storedTensor } from "../../runtime/oracle.ts";

/** What PyTorch computed with single adapters of a kind: `{case}.x`, `{case}.{leaf}` and `{case}.y`. */
export function oracleOf(kind: string): string {
  return path.resolve(import.meta.dirname, `../../../samples/models/adapters/${kind}.safetensors`);
}

/** The cases of an oracle. */
export function casesOf(kind: string): readonly string[] {
  return [
    ...new Set([...readSafetensors(oracleOf(kind)).tensors.keys()].map((name) => name.split(".")[0] ?? "")),
  ];
}

/** A kind's leaves in a case of its oracle, by name. */
export function leavesOf(kind: AdapterKind, name: string): ReadonlyMap<string, HostTensor> {
  return new Map(kind.leafNames.map((leaf) => [leaf, storedTensor(oracleOf(kind.name), `${name}.${leaf}`)]));
}

export function shapesOf(leaves: ReadonlyMap<string, HostTensor>): Shapes {
  return new Map([...leaves].map(([name, { dims }]) => [name, dims]));
}

/** One adapter, and what it is given. */
export interface OneCall {
  readonly kind: AdapterKind;
  readonly settings: object;
  readonly leaves: ReadonlyMap<string, HostTensor>;
  readonly x: HostTensor;
  readonly opset: number;
  /** Leaves and coefficients are graph inputs without sizes; else they are initializers. */
  readonly asInputs?: boolean;
}

const loc: Loc = { file: "", path: "" };

/** Runs a model of one call, `y = Adapter (x, leaves…, coefficients…)`, which it writes to a file. */
export async function runCall(file: string, call: OneCall): Promise<HostTensor> {
  const { x, leaves } = call;
  const given = new Map([...leaves, ...coefficientsOf(call)]);
  writeCall(file, call, given);
  const session = await openSession(file, { threads: 1 });
  try {
    const results = await session.run(new Map([["x", x], ...(call.asInputs === true ? given : [])]));
    const y = results.get("y");
    if (y === undefined) throw new Error("a call without output");
    return y;
  } finally {
    await session.close();
  }
}

function coefficientsOf({ kind, settings, x }: OneCall): ReadonlyMap<string, HostTensor> {
  const at = (value: number): number => (x.dtype === "float16" ? toHalf(value) : value);
  return new Map(
    Object.entries(kind.coefficients(settings)).map(([name, value]) => [
      name,
      tensorFrom(floatOf(x), [1], () => at(value)),
    ]),
  );
}

function writeCall(file: string, call: OneCall, given: ReadonlyMap<string, HostTensor>): void {
  const { kind, settings, leaves, x, opset, asInputs = false } = call;
  const dtype = floatOf(x);
  const width = { ...kind.widthOf(shapesOf(leaves)), dtype };
  const rw = new Rewriter();
  const graph = rw.graph(loc, "one_call");
  const model = rw.model(loc, 10, graph);
  rw.setOpset(model, "", opset);
  rw.setOpset(model, TFC_DOMAIN, 1);
  const func = kind.body(width, settings, {
    rewriter: rw,
    loc,
    name: "Adapter",
    opset,
    form: "single",
    members: 1,
  });
  rw.addFunction(model, func);
  const unknown = (name: string, dims: readonly number[]): Dim[] => dims.map((_, i) => `${name}_${i}`);
  const input = (name: string, dims: readonly Dim[]): Value => {
    const value = rw.value(loc, name, tensorType(dtype, dims));
    rw.addInput(graph, value);
    return value;
  };
  const initializer = (name: string, tensor: HostTensor): Value => {
    const constant = new Tensor(dtype, tensor.dims, { kind: "memory", bytes: bytesOf(tensor) });
    return rw.addInitializer(graph, rw.value(loc, name, tensorType(dtype, tensor.dims), constant));
  };
  const xValue = input("x", [...unknown("x", x.dims.slice(0, -1)), width.inFeatures]);
  const values = [...given].map(([name, tensor]) =>
    asInputs ? input(name, unknown(name, tensor.dims)) : initializer(name, tensor),
  );
  const inputs = [xValue, ...values];
  const node = rw.node({ op: func.name, domain: func.domain, inputs, outputs: ["y"], loc });
  rw.append(graph, node);
  const [y] = node.outputs;
  if (y === undefined) throw new Error("a call without output");
  rw.setType(y, tensorType(dtype, [...unknown("x", x.dims.slice(0, -1)), width.outFeatures]));
  rw.setOutput(graph, 0, y);
  writePieces(file, emitModel(model).pieces);
}

function floatOf({ dtype }: HostTensor): "float" | "float16" {
  if (dtype === "float" || dtype === "float16") return dtype;
  throw new Error(`a tensor of ${dtype}`);
}

/** The elements as a file has them. */
export function bytesOf({ data }: HostTensor): Uint8Array {
  if (Array.isArray(data)) throw new Error("a tensor of text");
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The same numbers, rounded to 16 bits. */
export function halved({ dims, data }: HostTensor): HostTensor {
  return tensorFrom("float16", dims, (i) => toHalf(Number(data[i])));
}

/** The largest difference of two lists of numbers, each by the larger of 1 and the wanted one. */
export function farthest(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Infinity;
  let most = 0;
  for (let i = 0; i < want.length; i++) {
    const wanted = want[i] ?? NaN;
    const apart = Math.abs((got[i] ?? NaN) - wanted) / Math.max(1, Math.abs(wanted));
    most = Number.isNaN(apart) ? Infinity : Math.max(most, apart);
  }
  return most;
}

/** A tensor's numbers; of float16 what its bits mean. */
export function numbersIn(tensor: HostTensor): number[] {
  return Array.from(tensor.data as Float32Array, Number);
}
