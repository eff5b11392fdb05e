import { writeFileSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const samples = path.resolve("samples/models");
const austen = path.join(samples, "austen-llama/dynamo/model.onnx");

const fixing = (model: string, ...flags: readonly string[]): Promise<string> =>
  refused(folder, "compile", model, "-o", path.join(folder, "no.onnx"), ...flags);

describe("a number of rows", () => {
  it("is none of flat tokens", async () => {
    const message = await fixing(path.join(samples, "austen-llama/vllm/paged.onnx"), "--batch", "1");
    expect(message).toContain("error BATCH_NO_ROWS: the graph has no rows whose number could be fixed");
    expect(message).toContain('found "input_ids" int64[num_tokens]');
    expect(message).toContain(
      "fix: leave out --batch: tokens that stand in one line are of any number of rows",
    );
  });

  it("is not another one than the graph's own", async () => {
    const model = tinyDecoder();
    const [input] = model.graph?.input ?? [];
    const dims = input?.type?.tensorType?.shape?.dim ?? [];
    dims[0] = { dimValue: 2 };
    const file = writeModel(folder, "two.onnx", model);
    const message = await fixing(file, "--batch", "3");
    expect(message).toContain("error BATCH_FIXED: the graph takes another number of rows");
    expect(message).toContain(
      'wanted inputs of 3 rows, or of any number, found "input_ids" int64[2,sequence]',
    );
    expect(message).toContain("fix: leave out --batch, give 2, or");
  });

  it("needs a name of its own", async () => {
    const { ModelProto } = proto.onnx;
    const model = ModelProto.decode(readFileSync(path.join(samples, "families/llama2-dynamo/model.onnx")));
    for (const { type } of [...(model.graph?.input ?? []), ...(model.graph?.output ?? [])])
      for (const dim of type?.tensorType?.shape?.dim ?? [])
        if (dim.dimParam === "sequence_length") dim.dimParam = "batch_size";
    const file = path.join(folder, "one-name.onnx");
    writeFileSync(file, ModelProto.encode(model).finish());
    const message = await fixing(file, "--batch", "1");
    expect(message).toContain("error BATCH_SYMBOL: a name that counts rows counts something else as well");
    expect(message).toContain(
      'found "batch_size" on another axis of "input_ids" int64[batch_size,batch_size]',
    );
  });

  it("is one at least, in configurations too", async () => {
    const config = path.join(folder, "none.json");
    writeFileSync(config, JSON.stringify({ batch: 0 }));
    const message = await fixing(austen, "--config", config);
    expect(message).toContain("error OPTION_OUT_OF_RANGE: batch in");
    expect(message).toContain("wanted a whole number, 1 or more, found 0");
  });

  it("comes from a configuration, and from a flag before it", async () => {
    const config = path.join(folder, "two.json");
    writeFileSync(config, JSON.stringify({ batch: 2 }));
    const output = path.join(folder, "of-config.onnx");
    for (const [flags, rows] of [
      [[], 2],
      [["--batch", "3"], 3],
    ] as const) {
      await tfcHere("compile", austen, "-o", output, "--no-adapters", "--config", config, ...flags);
      const { graph } = openModel(output, new Sink()).model;
      const sizes = new Set(graph.inputs.map(({ type }) => asTensor(type)?.shape?.[0]));
      expect(sizes).toEqual(new Set([rows]));
    }
  });

  it("is no option of what trains", async () => {
    const message = await fixing(austen, "--batch", "1", "--train");
    expect(message).toContain("error OPTION_CONFLICT: --train does not go with --batch: a run decides");
  });

  it("is said of a graph that is no decoder when that is said", async () => {
    const model = tinyDecoder();
    const kept = model.graph?.node?.slice(0, 1) ?? [];
    if (model.graph)
      model.graph.node = [...kept, { opType: "MatMul", input: ["hidden", "head"], output: ["logits"] }];
    const message = await fixing(writeModel(folder, "none.onnx", model), "--batch", "1");
    expect(message).toContain("error NO_DECODER");
  });
});
