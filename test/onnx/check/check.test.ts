import { describe, expect, it } from "@jest/globals";
import path from "node:path";
import proto from "onnx-proto";
import { TfcError } from "../../../compiler/diagnostics/error.ts";
import { checkModelFile } from "../../../compiler/onnx/check/check.ts";
import { schemaOf } from "../../../compiler/onnx/check/schemas.ts";
import { temporaryFolder } from "../../support/folder.ts";
import {
  info,
  initializerOf,
  node,
  nodeOf,
  tinyDecoder,
  writeModel,
  type ModelMessage,
} from "../../support/tiny-decoder.ts";
import { onnxChecker, python } from "./python.ts";

const { AttributeType } = proto.onnx.AttributeProto;
const folder = temporaryFolder();
type Graph = proto.onnx.IGraphProto;

function graphOf(model: ModelMessage): Graph {
  if (!model.graph) throw new Error("no graph");
  return model.graph;
}

/** A function `own.Twice` of one node, and a call of it. */
function withFunction(model: ModelMessage, change: (func: proto.onnx.IFunctionProto) => void): void {
  const func: proto.onnx.IFunctionProto = {
    domain: "own",
    name: "Twice",
    input: ["x"],
    output: ["y"],
    attribute: [],
    opsetImport: [{ domain: "", version: 17 }],
    node: [node("Add", ["x", "x"], "y")],
  };
  change(func);
  model.functions = [func];
  model.opsetImport?.push({ domain: "own", version: 1 });
  graphOf(model).node?.push({ ...node("Twice", ["logits"], "twice"), domain: "own" });
  graphOf(model).output?.push(info("twice", 1, ["batch", "sequence", 16]));
}

/** What is broken, how, and what is said; all of it onnx.checker refuses, too. */
const broken: readonly (readonly [name: string, change: (model: ModelMessage) => void, text: string])[] = [
  ["an op that is not in the opset", (m) => (nodeOf(m, "gate_silu").opType = "Swish"), "Swish is not in"],
  ["an op of no schema", (m) => (nodeOf(m, "gate_silu").opType = "constructor"), "constructor is not in"],
  ["an op that was withdrawn", (m) => (nodeOf(m, "gate_silu").opType = "Upsample"), "Upsample was withdrawn"],
  ["too many inputs", (m) => nodeOf(m, "gated").input?.push("up"), "Mul has the wrong number of inputs"],
  ["too few inputs", (m) => (nodeOf(m, "gated").input = ["up"]), "Mul has the wrong number of inputs"],
  ["too many outputs", (m) => nodeOf(m, "gated").output?.push("more"), "Mul has the wrong number of outputs"],
  [
    "an unknown attribute",
    (m) => nodeOf(m, "gated").attribute?.push({ name: "broadcast", type: AttributeType.INT, i: 1 }),
    'Mul has the attribute "broadcast"',
  ],
  [
    "an attribute of another type",
    (m) => (nodeOf(m, "probabilities").attribute = [{ name: "axis", type: AttributeType.FLOAT, f: 1 }]),
    'Softmax has the attribute "axis"',
  ],
  [
    "no required attribute",
    (m) => {
      const cast = { opType: "Cast", input: ["logits"], output: ["cast"] };
      graphOf(m).node?.push(cast);
    },
    'Cast lacks the attribute "to"',
  ],
  ["a domain that is not imported", (m) => (nodeOf(m, "gated").domain = "own"), 'the domain "own" is not'],
  ["a name defined twice", (m) => (nodeOf(m, "gate_silu").output = ["up"]), "up"],
  ["nodes out of order", (m) => graphOf(m).node?.reverse(), "before"],
  ["a name that nothing defines", (m) => (nodeOf(m, "gated").input = ["up", "nobody"]), "nobody"],
  ["an output that nothing defines", (m) => graphOf(m).output?.push(info("nobody", 1, [1])), "nobody"],
  ["no operator set", (m) => (m.opsetImport = []), "imports no operator set"],
  ["an IR version of the future", (m) => (m.irVersion = 99), "the IR version is not known"],
  ["an output without a type", (m) => (graphOf(m).output = [{ name: "logits" }]), "has no type"],
  ["data that do not fill the shape", (m) => (initializerOf(m, "q_proj").dims = [8, 9]), "fill"],
  [
    "external data outside the folder",
    (m) => {
      const weight = initializerOf(m, "q_proj");
      delete weight.rawData;
      weight.dataLocation = proto.onnx.TensorProto.DataLocation.EXTERNAL;
      weight.externalData = [{ key: "location", value: "../weights" }];
    },
    "",
  ],
  [
    "a function's domain that it does not import",
    (m) => {
      withFunction(m, (func) => (func.opsetImport = []));
    },
    'the domain "" is not imported',
  ],
  [
    "a function that names an input twice",
    (m) => {
      withFunction(m, (func) => func.input?.push("x"));
    },
    '"x"',
  ],
  [
    "a node of another version in a function than in the model",
    (m) => {
      withFunction(m, (func) => {
        func.opsetImport = [{ domain: "", version: 6 }];
      });
    },
    "Add in a function is of another version",
  ],
];

/** Texts of what is found, whether the importer or the checks find it. */
function found(file: string): string {
  try {
    return checkModelFile(file)
      .map(({ code, what, found: had }) => `${code} ${what} ${had ?? ""}`)
      .join("\n");
  } catch (error) {
    if (error instanceof TfcError) return error.message;
    throw error;
  }
}

function fileOf(name: string, change: (model: ModelMessage) => void): string {
  const model = tinyDecoder();
  change(model);
  return writeModel(folder, `${name.replaceAll(/\W/g, "-")}.onnx`, model);
}

describe("checkModelFile", () => {
  it.each(broken)("finds %s", (name, change, text) => {
    const said = found(fileOf(name, change));
    expect(said).not.toBe("");
    expect(said).toContain(text);
  });

  it("finds nothing wrong with a valid model, its functions included", () => {
    expect(found(fileOf("valid", () => undefined))).toBe("");
    const withOne = fileOf("function", (m) => {
      withFunction(m, () => undefined);
    });
    expect(found(withOne)).toBe("");
  });

  it("finds an attribute that no caller of a function can give", () => {
    const file = fileOf("reference", (m) => {
      withFunction(m, (func) => {
        func.node = [
          {
            ...node("Softmax", ["x"], "y"),
            attribute: [{ name: "axis", type: AttributeType.INT, refAttrName: "dim" }],
          },
        ];
      });
    });
    expect(found(file)).toContain('reads the attribute "dim" of its caller');
  });

  const name = `onnx.checker finds all of this, too${python === null ? " (SKIPPED: no Python with onnx)" : ""}`;
  (python === null ? it.skip : it)(name, () => {
    const files = broken.map(([one, change]) => fileOf(one, change));
    const said = onnxChecker(files);
    const accepted = broken.filter((_, i) => said[i] === null).map(([one]) => one);
    expect(accepted).toEqual([]);
    expect(onnxChecker([fileOf("valid", () => undefined)])).toEqual([null]);
    expect(path.isAbsolute(files[0] ?? "")).toBe(true);
  });
});

describe("schemaOf", () => {
  it("gives the version that an opset has", () => {
    expect(schemaOf("Squeeze", 12)?.inputs).toEqual({ least: 1, most: 1 });
    expect(schemaOf("Squeeze", 13)).toMatchObject({ since: 13, inputs: { least: 1, most: 2 } });
    expect(schemaOf("Squeeze", 12)?.attributes.get("axes")).toEqual({ type: "I", required: false });
    expect(schemaOf("Concat", 17)?.inputs).toEqual({ least: 1, most: Infinity });
    expect(schemaOf("Gelu", 19)).toBeNull();
    expect(schemaOf("toString", 19)).toBeNull();
  });
});
