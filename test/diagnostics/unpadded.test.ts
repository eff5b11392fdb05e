import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { inspect } from "../../compiler/compile/inspect.ts";
import { explain } from "../../compiler/compile/explain.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const samples = path.resolve("samples/models");
const austen = path.join(samples, "austen-llama/dynamo/model.onnx");

const dropping = (model: string, ...flags: readonly string[]): Promise<string> =>
  refused(folder, "compile", model, "-o", path.join(folder, "no.onnx"), "--unpadded", ...flags);

describe("a row without padding", () => {
  it("is one row", async () => {
    expect(await dropping(austen)).toContain("error OPTION_UNUSED: --unpadded would have no effect");
    const message = await dropping(austen, "--batch", "2");
    expect(message).toContain("error OPTION_CONFLICT: --unpadded does not go with --batch 2");
    expect(message).toContain("several rows are made alike by padding");
  });

  it("is no option of what trains", async () => {
    expect(await dropping(austen, "--batch", "1", "--train")).toContain(
      "error OPTION_CONFLICT: --train does not go",
    );
  });

  it("wants something that padding is told by", async () => {
    const message = await dropping(writeModel(folder, "bare.onnx", tinyDecoder()), "--batch", "1");
    expect(message).toContain("error UNPADDED_NOTHING: the graph is told nothing of padding");
    expect(message).toContain('found the inputs "input_ids"');
    expect(message).toContain("fix: leave out --unpadded: the graph does without mask and positions already");
  });

  it("is not counted where a cache has a fixed length and no mask tells the past", async () => {
    const message = await dropping(
      path.join(samples, "families/llama2-mobius-static/model.onnx"),
      "--batch",
      "1",
    );
    expect(message).toContain(
      "error UNPADDED_REFUSED: what this graph is told of padding cannot be left out",
    );
    expect(message).toContain(
      "wanted a cache that grows, or a mask of past and new tokens, which tell the past",
    );
  });

  it("is said of a compiled graph, which stays so and does not train", async () => {
    const output = path.join(folder, "one/model.onnx");
    await compile({ input: austen, output, adapters: false, for: "cpu", batch: 1, unpadded: true });
    expect(inspect(output).unpadded).toBe(true);
    expect(inspect(austen).unpadded).toBeUndefined();
    expect(explain(output).lowered?.unpadded).toBe(true);
    expect((await tfcHere("inspect", output)).stdout).toContain("without padding: no mask is read");
    expect((await tfcHere("explain", output)).stdout).toContain("of a row without padding");
    const again = path.join(folder, "two/model.onnx");
    await compile({ input: output, output: again, adapter: "lora", batch: 1, unpadded: true });
    expect(inspect(again).unpadded).toBe(true);
    const message = await refused(folder, "compile", output, "-o", path.join(folder, "no.onnx"), "--train");
    expect(message).toContain("TRAIN_REFUSED");
    expect(message).toContain("it was compiled with --unpadded, for a row without padding");
    expect(message).toContain("fix: train its base");
  });
});
