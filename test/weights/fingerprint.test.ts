import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import { openDecoder } from "../../compiler/compile/open-decoder.ts";
import { fromBfloat, fromHalf, toBfloat, toHalf } from "../../compiler/ir/scalar.ts";
import { fingerprintOf } from "../../compiler/recognize/model/fingerprint.ts";
import {
  fingerprintDifference,
  fingerprintName,
  fingerprintText,
  parseFingerprint,
  type Fingerprint,
} from "../../compiler/weights/fingerprint.ts";
import { random } from "../../runtime/session/random.ts";
import { graphOf, sample, storedTensor } from "../runtime/oracle.ts";
import { temporaryFolder } from "../support/folder.ts";
import { exportOf } from "../models/vllm/serving.ts";

const { onnx } = proto;
const folder = temporaryFolder();
const families = path.join(sample, "../families");

function fingerprint(file: string): Fingerprint {
  const { model, view } = openDecoder(file);
  return fingerprintOf(model, view);
}

const family = (name: string): string => path.join(families, name, "model.onnx");
const weightsOf = ({ samples }: Fingerprint): string[] => Object.keys(samples).sort();

const austen = {
  dynamo: graphOf("dynamo"),
  torchscript: graphOf("torchscript"),
  paged: exportOf("paged"),
  opaque: exportOf("opaque"),
};

describe("a fingerprint of the sample model", () => {
  /** Numbers of a weight as the model's own file has it, at the places that the fingerprint asks for. */
  function numbers(name: string): number[] {
    const { dims, data } = storedTensor(path.join(sample, "model.safetensors"), name);
    const [rows = 0, columns = 0] = dims;
    const places = Array.from(
      { length: 8 },
      (_, i) => ((i * 7919) % rows) * columns + ((i * 104729) % columns),
    );
    return places.map((at) => Number(Number(data[at]).toPrecision(4)));
  }

  it.each(Object.entries(austen))(
    "is the same in the %s export, and that of the model's weights",
    (_, file) => {
      const samples = Object.fromEntries([
        ["embed", numbers("model.embed_tokens.weight")],
        ...[0, 1, 2, 3, 4, 5].flatMap((layer) => [
          [`${layer}.o_proj`, numbers(`model.layers.${layer}.self_attn.o_proj.weight`)],
          [`${layer}.down_proj`, numbers(`model.layers.${layer}.mlp.down_proj.weight`)],
        ]),
      ]) as Fingerprint["samples"];
      expect(fingerprint(file)).toEqual({ version: 1, layers: 6, hiddenSize: 128, samples });
    },
  );
});

describe("fingerprints of one model", () => {
  const all = ["embed", "0.o_proj", "0.down_proj", "1.o_proj", "1.down_proj"].sort();

  it.each([
    ["llama2-dynamo-fp16", all],
    ["llama2-dynamo-bf16", all],
    ["llama2-torchscript", all],
    ["llama2-mobius", all],
    ["llama2-genai-int4", ["embed"]],
    ["llama2-quantized-dynamic", ["embed"]],
  ])("do not differ: llama2-dynamo and %s", (name, weights) => {
    const [own, other] = [fingerprint(family("llama2-dynamo")), fingerprint(family(name))];
    expect([weightsOf(own), weightsOf(other)]).toEqual([all, weights]);
    expect(fingerprintDifference(own, other)).toBeNull();
    expect(fingerprintDifference(other, own)).toBeNull();
  });

  it("do not differ by what 16 bits round away", () => {
    const stream = random(1, "weights");
    const numbers = Array.from({ length: 2000 }, () => stream.normal() * 10 ** -stream.below(7));
    const samples = (of: (x: number) => number): Fingerprint => ({
      version: 1,
      layers: 1,
      hiddenSize: 8,
      samples: { embed: numbers.map((x) => Number(of(x).toPrecision(4))) },
    });
    const exact = samples((x) => x);
    for (const rounded of [samples((x) => fromHalf(toHalf(x))), samples((x) => fromBfloat(toBfloat(x)))]) {
      expect(fingerprintDifference(exact, rounded)).toBeNull();
      expect(fingerprintDifference(rounded, exact)).toBeNull();
    }
  });
});

describe("fingerprints of other models", () => {
  it.each([
    "llama3-dynamo",
    "mistral-dynamo",
    "qwen2-dynamo",
    "qwen3-dynamo",
    "phi3-dynamo",
    "llama-bias-dynamo",
  ])("differ: llama2-dynamo and %s", (name) => {
    const [own, other] = [fingerprint(family("llama2-dynamo")), fingerprint(family(name))];
    expect(fingerprintDifference(own, other)).toMatch(/^other weights: embed has \S+ where \S+ was$/);
  });

  it("differ after one layer's o_proj was trained", () => {
    const model = onnx.ModelProto.decode(readFileSync(family("llama2-dynamo")));
    const attended = model.graph?.node?.find((node) => node.output?.includes("linear_10"));
    const tensor = model.graph?.initializer?.find(({ name }) => name === attended?.input?.[1]);
    if (tensor?.rawData == null) throw new Error("no o_proj");
    expect(tensor.dims?.map(Number)).toEqual([32, 32]);
    const bytes = Buffer.from(tensor.rawData);
    for (let at = 0; at < bytes.length; at += 4) bytes.writeFloatLE(bytes.readFloatLE(at) * 1.02, at);
    tensor.rawData = bytes;
    mkdirSync(path.join(folder, "trained"));
    const file = path.join(folder, "trained", "model.onnx");
    writeFileSync(file, onnx.ModelProto.encode(model).finish());
    const [own, other] = [fingerprint(family("llama2-dynamo")), fingerprint(file)];
    expect(fingerprintDifference(own, other)).toMatch(/^other weights: 1\.o_proj has \S+ where \S+ was$/);
    expect(other.samples).toEqual({ ...own.samples, "1.o_proj": other.samples["1.o_proj"] });
  });

  const one: Fingerprint = {
    version: 1,
    layers: 2,
    hiddenSize: 8,
    samples: { embed: [1, -0.5], "0.o_proj": [3] },
  };

  it.each<[Partial<Fingerprint>, string | null]>([
    [{}, null],
    [{ layers: 3 }, "3 layers instead of 2"],
    [{ hiddenSize: 16 }, "a hidden size of 16 instead of 8"],
    [{ samples: { embed: [1, -0.52] } }, "other weights: embed has -0.52 where -0.5 was"],
    [{ samples: { embed: [1, 0.5] } }, "other weights: embed has 0.5 where -0.5 was"],
    [{ samples: { embed: [1, -0.5], "0.o_proj": [0] } }, "other weights: 0.o_proj has 0 where 3 was"],
    // What one of the two does not have says nothing.
    [{ samples: {} }, null],
    [{ samples: { "1.o_proj": [7] } }, null],
    [{ samples: { embed: [9] } }, null],
  ])("are told apart: %j", (change, difference) => {
    expect(fingerprintDifference(one, { ...one, ...change })).toBe(difference);
  });
});

describe("a fingerprint as text", () => {
  it("is read back", () => {
    const own = fingerprint(family("llama2-dynamo"));
    expect(parseFingerprint(fingerprintText(own))).toEqual(own);
  });

  it.each([
    "",
    "{",
    "null",
    "[]",
    "7",
    '"text"',
    "{}",
    '{"version":2,"layers":1,"hiddenSize":8,"samples":{}}',
    '{"version":1,"layers":"1","hiddenSize":8,"samples":{}}',
    '{"version":1,"layers":1,"samples":{}}',
    '{"version":1,"layers":1,"hiddenSize":8}',
    '{"version":1,"layers":1,"hiddenSize":8,"samples":null}',
    '{"version":1,"layers":1,"hiddenSize":8,"samples":{"embed":1}}',
    '{"version":1,"layers":1,"hiddenSize":8,"samples":{"embed":["1"]}}',
    '{"version":1,"layers":1,"hiddenSize":8,"samples":{},"packed":{"other":[1,2]}}',
    '{"version":1,"layers":1,"hiddenSize":8,"samples":{},"packed":{"qkv_proj":[1,2]}}',
    '{"version":1,"layers":1,"hiddenSize":8,"samples":{},"packed":{"gate_up_proj":[1,-2]}}',
  ])("is none when it is %s", (text) => {
    expect(parseFingerprint(text)).toBeNull();
  });

  it("has a short name", () => {
    const text = '{"version":1,"layers":6,"hiddenSize":128,"samples":{}}';
    // The first digits of the text's SHA-256.
    expect(fingerprintName(text)).toBe("8e1b3022 (6 layers of 128)");
    const packed = text.replace("}}", '},"packed":{"gate_up_proj":[4,4]}}');
    expect(parseFingerprint(packed)?.packed).toEqual({ gate_up_proj: [4, 4] });
    expect(fingerprintName(packed)).toBe(fingerprintName(text));
    expect(fingerprintName("of another program")).toMatch(/^[0-9a-f]{8}$/);
  });
});
