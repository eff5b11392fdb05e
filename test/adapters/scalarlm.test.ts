import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { scalarlm } from "../../compiler/adapters/scalarlm.ts";
import type { Loc } from "../../compiler/ir/entity.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { TFC_DOMAIN } from "../../compiler/ir/site.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import { emitModel } from "../../compiler/onnx/emit.ts";
import { writePieces } from "../../compiler/onnx/output.ts";
import { readSafetensors } from "../../compiler/weights/safetensors.ts";
import { openSession } from "../../runtime/session.ts";
import type { HostTensor } from "../../runtime/tensor.ts";
import { storedTensor } from "../runtime/oracle.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();
const oracle = path.resolve(import.meta.dirname, "../../samples/models/adapters/scalarlm.safetensors");
const cases = new Set([...readSafetensors(oracle).tensors.keys()].map((name) => name.split(".")[0] ?? ""));
const loc: Loc = { file: "", path: "" };

/** A model of one call: `y = ScalarlmAdapter (x, k, v, p)`. */
async function adapterModel(name: string, opset: number): Promise<string> {
  const [k, v, p] = leafNames.map((leaf) => storedTensor(oracle, `${name}.${leaf}`));
  const x = storedTensor(oracle, `${name}.x`);
  const [heads = 0, hiddenSize = 0] = k?.dims ?? [];
  const settings = { heads, rank: p?.dims[0] ?? 0 };
  const width = { hiddenSize, dtype: "float" } as const;
  expect([k, v, p].map((leaf) => leaf?.dims)).toEqual(
    scalarlm.leaves(width, settings).map((leaf) => leaf.shape),
  );

  const rw = new Rewriter();
  const graph = rw.graph(loc, "one_call");
  const model = rw.model(loc, 10, graph);
  rw.setOpset(model, "", opset);
  rw.setOpset(model, TFC_DOMAIN, 1);
  const func = scalarlm.body(width, settings, { rewriter: rw, loc, name: "Adapter", opset });
  rw.addFunction(model, func);
  const input = rw.value(
    loc,
    "x",
    tensorType(
      "float",
      x.dims.map((_, i) => (i === x.dims.length - 1 ? hiddenSize : `d${i}`)),
    ),
  );
  rw.addInput(graph, input);
  const leaves = [k, v, p].map((leaf, i) => {
    const tensor = new Tensor("float", leaf?.dims ?? [], { kind: "memory", bytes: bytesOf(leaf) });
    return rw.addInitializer(
      graph,
      rw.value(loc, leafNames[i], tensorType("float", leaf?.dims ?? []), tensor),
    );
  });
  const call = rw.node({
    op: func.name,
    domain: func.domain,
    inputs: [input, ...leaves],
    outputs: ["y"],
    loc,
  });
  rw.append(graph, call);
  const [y] = call.outputs;
  if (y === undefined) throw new Error("a call without output");
  rw.setType(
    y,
    tensorType(
      "float",
      x.dims.map((_, i) => (i === x.dims.length - 1 ? hiddenSize : `d${i}`)),
    ),
  );
  rw.setOutput(graph, 0, y);
  const file = path.join(folder, `${name}-${opset}.onnx`);
  writePieces(file, emitModel(model).pieces);
  return Promise.resolve(file);
}

const leafNames = ["tokenformer_k", "tokenformer_v", "tokenformer_p"];

function bytesOf(tensor: HostTensor | undefined): Uint8Array {
  const data = tensor?.data;
  if (!(data instanceof Float32Array)) throw new Error("no float tensor");
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

describe.each([11, 13, 18, 21])("the ScalarLM adapter in opset %d", (opset) => {
  it.each([...cases])("computes what ScalarLM's formula computes in PyTorch: %s", async (name) => {
    const session = await openSession(await adapterModel(name, opset));
    const results = await session.run(new Map([["x", storedTensor(oracle, `${name}.x`)]]));
    await session.close();
    const [got, want] = [results.get("y"), storedTensor(oracle, `${name}.y`)];
    expect(got?.dims).toEqual(want.dims);
    const differences = [...want.data].map((value, i) => Math.abs(Number(value) - Number(got?.data[i])));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
    expect(Math.max(...[...want.data].map((value) => Math.abs(Number(value))))).toBeGreaterThan(0.1);
  });
});

it("covers the shapes that matter", () => {
  expect([...cases].sort()).toEqual(
    ["batch", "flat", "many_heads", "one_head", "one_token", "smallest", "zero_row"].sort(),
  );
  expect(storedTensor(oracle, "flat.x").dims).toEqual([7, 64]);
  const zeroRow = storedTensor(oracle, "zero_row.y");
  expect([...zeroRow.data].slice(64, 128).every((value) => Number(value) === 0)).toBe(true);
});
