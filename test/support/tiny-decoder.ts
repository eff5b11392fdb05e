import { writeFileSync } from "node:fs";
import path from "node:path";
import proto from "onnx-proto";

const { onnx } = proto;

export type ModelMessage = proto.onnx.IModelProto;
type TensorMessage = proto.onnx.ITensorProto;
type NodeMessage = proto.onnx.INodeProto;

const FLOAT = 1;
const INT64 = 7;
/** Hidden size, heads, MLP width and vocabulary of the tiny decoder. */
const [D, H, F, V] = [8, 2, 12, 16];

/** One decoder layer by hand: embedding, RMSNorm, attention, RMSNorm, gated MLP, head. Weights are inline raw data. */
export function tinyDecoder(opset = 17): ModelMessage {
  return {
    irVersion: 8,
    producerName: "by hand",
    opsetImport: [{ domain: "", version: opset }],
    graph: {
      name: "tiny",
      input: [info("input_ids", INT64, ["batch", "sequence"])],
      output: [info("logits", FLOAT, ["batch", "sequence", V])],
      initializer: [
        weight("embed", [V, D]),
        ...["q", "k", "v", "o"].map((name) => weight(`${name}_proj`, [D, D])),
        weight("gate_proj", [D, F]),
        weight("up_proj", [D, F]),
        weight("down_proj", [F, D]),
        weight("head", [D, V]),
        shape("heads_shape", [0, 0, H, D / H]),
        shape("flat_shape", [0, 0, D]),
        scalar("root", Math.sqrt(D / H)),
        scalar("two", 2),
        scalar("epsilon", 1e-5),
      ],
      node: [
        node("Gather", ["embed", "input_ids"], "hidden"),
        ...norm("hidden", "normed"),
        ...attention("normed", "attended"),
        node("Add", ["hidden", "attended"], "middle"),
        ...norm("middle", "renormed"),
        ...mlp("renormed", "transformed"),
        node("Add", ["middle", "transformed"], "last"),
        node("MatMul", ["last", "head"], "logits"),
      ],
    },
  };
}

function norm(x: string, y: string): NodeMessage[] {
  return [
    node("Pow", [x, "two"], `${y}_squares`),
    node("ReduceMean", [`${y}_squares`], `${y}_mean`, { axes: [-1] }),
    node("Add", [`${y}_mean`, "epsilon"], `${y}_shifted`),
    node("Sqrt", [`${y}_shifted`], `${y}_root`),
    node("Div", [x, `${y}_root`], y),
  ];
}

function attention(x: string, y: string): NodeMessage[] {
  const split = (name: string, perm: number[]): NodeMessage[] => [
    node("MatMul", [x, `${name}_proj`], `${name}_flat`),
    node("Reshape", [`${name}_flat`, "heads_shape"], `${name}_split`),
    node("Transpose", [`${name}_split`], `${name}_heads`, { perm }),
  ];
  return [
    ...split("q", [0, 2, 1, 3]),
    ...split("k", [0, 2, 3, 1]),
    ...split("v", [0, 2, 1, 3]),
    node("MatMul", ["q_heads", "k_heads"], "products"),
    node("Div", ["products", "root"], "scores"),
    node("Softmax", ["scores"], "probabilities", { axis: -1 }),
    node("MatMul", ["probabilities", "v_heads"], "context_heads"),
    node("Transpose", ["context_heads"], "context_split", { perm: [0, 2, 1, 3] }),
    node("Reshape", ["context_split", "flat_shape"], "context"),
    node("MatMul", ["context", "o_proj"], y),
  ];
}

function mlp(x: string, y: string): NodeMessage[] {
  return [
    node("MatMul", [x, "gate_proj"], "gate"),
    node("Sigmoid", ["gate"], "gate_sigmoid"),
    node("Mul", ["gate", "gate_sigmoid"], "gate_silu"),
    node("MatMul", [x, "up_proj"], "up"),
    node("Mul", ["gate_silu", "up"], "gated"),
    node("MatMul", ["gated", "down_proj"], y),
  ];
}

/** A node with one output; attributes are integers or lists of them. */
export function node(
  opType: string,
  input: string[],
  output: string,
  attributes: Readonly<Record<string, number | number[]>> = {},
): NodeMessage {
  const attribute = Object.entries(attributes).map(([name, value]) =>
    typeof value === "number" ? { name, type: 2, i: value } : { name, type: 7, ints: value },
  );
  return { opType, input, output: [output], attribute };
}

/** A graph input or output. */
export function info(
  name: string,
  elemType: number,
  dims: readonly (number | string)[],
): proto.onnx.IValueInfoProto {
  const dim = dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

function weight(name: string, dims: number[]): TensorMessage {
  // Numbers of no pattern, the same in every run.
  const values = Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) =>
    Math.sin(i * 12.9898 + name.length * 78.233),
  );
  return { name, dataType: FLOAT, dims, rawData: new Uint8Array(values.buffer) };
}

function shape(name: string, values: number[]): TensorMessage {
  return { name, dataType: INT64, dims: [values.length], int64Data: values };
}

function scalar(name: string, value: number): TensorMessage {
  return { name, dataType: FLOAT, dims: [], floatData: [value] };
}

/** The initializer of a name. */
export function initializerOf(model: ModelMessage, name: string): TensorMessage {
  const found = model.graph?.initializer?.find((tensor) => tensor.name === name);
  if (found === undefined) throw new Error(`no initializer ${name}`);
  return found;
}

/** The node that makes a value. */
export function nodeOf(model: ModelMessage, output: string): NodeMessage {
  const found = model.graph?.node?.find((one) => one.output?.includes(output));
  if (found === undefined) throw new Error(`no node makes ${output}`);
  return found;
}

/** Puts a weight into a file beside the model, as external data. */
export function moveOut(
  model: ModelMessage,
  name: string,
  entries: Readonly<Record<string, string>>,
): Uint8Array {
  const tensor = initializerOf(model, name);
  const bytes = tensor.rawData ?? new Uint8Array(0);
  delete tensor.rawData;
  tensor.dataLocation = onnx.TensorProto.DataLocation.EXTERNAL;
  tensor.externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  return bytes;
}

/** An attribute that holds a graph. */
export function graphAttribute(name: string, g: proto.onnx.IGraphProto): proto.onnx.IAttributeProto {
  return { name, type: onnx.AttributeProto.AttributeType.GRAPH, g };
}

/** The bytes of a model. */
export function bytesOf(model: ModelMessage): Uint8Array {
  return onnx.ModelProto.encode(model).finish();
}

/** Writes a model and gives its path. */
export function writeModel(folder: string, name: string, model: ModelMessage): string {
  const file = path.join(folder, name);
  writeFileSync(file, bytesOf(model));
  return file;
}
