import type { Plain } from "./encode.ts";

/** Raw data too long to be kept in memory. */
export const LONG = Uint8Array.from({ length: 900 }, (_, i) => i % 251);

const meta: Plain[] = [
  { key: "a", value: "1" },
  { key: "", value: "" },
];
const tensor = (name: string, bytes: Uint8Array = LONG): Plain => ({
  dims: [bytes.length],
  dataType: 2,
  name,
  docString: `about ${name}`,
  rawData: bytes,
  metadataProps: meta,
});
const floats = (dim: readonly Plain[]): Plain => ({ tensorType: { elemType: 1, shape: { dim } } });
const info = (name: string, type: Plain): Plain => ({ name, type, docString: "d", metadataProps: meta });
const branch = (name: string): Plain => ({
  name,
  node: [{ input: ["x", "big"], output: [`${name}_y`], opType: "Add", name: "" }],
  initializer: [tensor(`${name}_weight`)],
  output: [info(`${name}_y`, floats([]))],
  valueInfo: [info("nobody", floats([{}]))],
  metadataProps: meta,
});

/** One attribute of every kind. */
const attributes: Plain[] = [
  { name: "float", f: 1.5, type: 1, docString: "d" },
  { name: "int", i: -(2n ** 63n), type: 2 },
  { name: "string", s: Uint8Array.of(0, 255, 10), type: 3 },
  { name: "tensor", t: tensor("t"), type: 4 },
  { name: "graph", g: branch("then"), type: 5 },
  { name: "floats", floats: [0, -0, 1e-45], type: 6 },
  { name: "ints", ints: [0, 2n ** 63n - 1n, -1], type: 7 },
  { name: "strings", strings: [Uint8Array.of(), Uint8Array.of(1)], type: 8 },
  { name: "tensors", tensors: [tensor("t0"), tensor("t1", LONG.slice(0, 3))], type: 9 },
  { name: "graphs", graphs: [branch("g0"), branch("g1")], type: 10 },
  { name: "sparse_tensor", sparseTensor: sparse("s"), type: 11 },
  { name: "sparse_tensors", sparseTensors: [sparse("s0"), sparse("s1")], type: 12 },
  { name: "type_proto", tp: floats([{ dimValue: 2 }]), type: 13 },
  { name: "type_protos", typeProtos: [floats([]), {}], type: 14 },
];

function sparse(name: string): Plain {
  return { values: tensor(name), indices: { ...tensor(`${name}_at`), dataType: 2 }, dims: [100_000] };
}

/** Types of every kind, with denotations. */
const types: Plain[] = [
  { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 2, denotation: "N" }, { dimParam: "s" }, {}] } } },
  { tensorType: { elemType: 10 }, denotation: "IMAGE" },
  { sequenceType: { elemType: floats([]) } },
  { mapType: { keyType: 7, valueType: floats([]) } },
  { optionalType: { elemType: { sequenceType: { elemType: floats([{}]) } } } },
  { sparseTensorType: { elemType: 1, shape: { dim: [{ dimValue: 0 }] } } },
  { opaqueType: { domain: "d", name: "n" } },
];

const devices: Plain[] = [
  {
    configurationId: "c",
    shardingSpec: [
      {
        tensorName: "x",
        device: [0, 1, -1],
        indexToDeviceGroupMap: [{ key: -1, value: [0, 1] }],
        shardedDim: [{ axis: 0, simpleSharding: [{ dimValue: 4, numShards: 2 }, { dimParam: "s" }] }],
      },
    ],
    pipelineStage: 1,
  },
];

const func = (overload: string): Plain => ({
  name: "F",
  domain: "local",
  ...(overload === "" ? {} : { overload }),
  input: ["a", "b"],
  output: ["c"],
  attribute: ["alpha"],
  attributeProto: [{ name: "beta", f: 2, type: 1 }],
  node: [
    {
      input: ["a", "b"],
      output: ["c"],
      opType: "Add",
      attribute: [
        { name: "alpha", refAttrName: "alpha", type: 1 },
        { name: "graph", g: { ...branch("in"), node: [], output: [] }, type: 5 },
      ],
    },
  ],
  docString: "a function",
  opsetImport: [{ domain: "", version: 21 }],
  valueInfo: [info("c", floats([])), info("nobody", floats([]))],
  metadataProps: meta,
});

/** A model in which every message of ONNX occurs, and every field. */
export const everything: Plain = {
  irVersion: 14,
  producerName: "p",
  producerVersion: "1",
  domain: "d",
  modelVersion: -1,
  docString: "é",
  opsetImport: [
    { domain: "", version: 21 },
    { domain: "local", version: 1 },
  ],
  metadataProps: meta,
  configuration: [{ name: "c", numDevices: 2, device: ["gpu:0", "gpu:1"] }],
  trainingInfo: [
    {
      initialization: { name: "i", initializer: [tensor("start")] },
      algorithm: { name: "a", node: [{ output: ["loss"], opType: "Loss" }] },
      initializationBinding: [{ key: "big", value: "start" }],
      updateBinding: meta,
    },
  ],
  functions: [func(""), func("o1"), func("o2")],
  graph: {
    name: "g",
    docString: "d",
    input: [
      info("x", floats([{ dimParam: "s" }])),
      info("defaulted", floats([])),
      ...types.map((type, i) => info(`t${i}`, type)),
    ],
    initializer: [
      tensor("big"),
      { ...tensor("here"), dataLocation: 0 },
      tensor("small", LONG.slice(0, 8)),
      tensor("nothing", LONG.slice(0, 0)),
      { dims: [], dataType: 1, name: "defaulted", floatData: [1], segment: { begin: 0, end: 1 } },
      { dims: [2], dataType: 7, name: "typed64", int64Data: [-1, 2n ** 40n] },
      { dims: [3], dataType: 6, name: "typed32", int32Data: [-1, 0, 1] },
      { dims: [1], dataType: 11, name: "doubles", doubleData: [Math.PI] },
      { dims: [1], dataType: 13, name: "unsigned", uint64Data: [2n ** 64n - 1n] },
      { dims: [2], dataType: 8, name: "strings", stringData: [Uint8Array.of(255), Uint8Array.of()] },
      { dims: [3], dataType: 99, name: "newer", rawData: LONG.slice(0, 3) },
    ],
    sparseInitializer: [sparse("sparse")],
    node: [
      {
        input: ["x", "", "big"],
        output: ["clipped", ""],
        name: "n",
        opType: "Clip",
        domain: "",
        docString: "d",
        metadataProps: meta,
      },
      {
        input: ["clipped", "sparse"],
        output: ["all"],
        opType: "Everything",
        domain: "local",
        attribute: attributes,
        deviceConfigurations: devices,
      },
      { input: ["all", "x"], output: ["called"], opType: "F", domain: "local", overload: "o1" },
    ],
    output: [info("called", floats([])), { name: "all" }],
    valueInfo: [info("nobody", types[2] ?? {}), info("clipped", floats([]))],
    quantizationAnnotation: [{ tensorName: "x", quantParameterTensorNames: meta }],
    metadataProps: meta,
  },
};
