import { describe, expect, it, jest } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { internalError, TfcError } from "../../compiler/diagnostics/error.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import { openModel } from "../../compiler/onnx/open.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { runPasses, step } from "../../compiler/pass/runner.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tfcHere } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const model = writeModel(folder, "model.onnx", tinyDecoder());

type NodePass = Pass<object, NodeVisitor>;

function pass(name: string, visitor: NodePass["visitor"]): NodePass {
  return { name, summary: "", options: {}, stats: [], requires: [], walk: nodesIn("main"), visitor };
}

/** Runs passes that fail, and gives the error. */
function failure(...passes: readonly NodePass[]): TfcError {
  const opened = openModel(model, new Sink()).model;
  try {
    runPasses(
      opened,
      passes.map((one) => step(one)),
      new Sink(),
    );
  } catch (error) {
    if (error instanceof TfcError) return error;
  }
  throw new Error("nothing failed");
}

describe("a bug of ours", () => {
  it("says so, with where it happened, and exits 70", async () => {
    // Once before: the codec is made when it is first used.
    await tfcHere("inspect", model);
    const stringify = jest.spyOn(JSON, "stringify").mockImplementationOnce(() => {
      throw new RangeError("no such luck");
    });
    const { status, stdout, stderr } = await tfcHere("inspect", model, "--json").finally(() => {
      stringify.mockRestore();
    });
    expect(status).toBe(70);
    expect(JSON.parse(stdout)).toMatchObject({ error: { kind: "internal", code: "INTERNAL" } });
    expect(stderr).toMatch(/^error INTERNAL: a bug in tfc: no such luck\n {2}fix: please report this, .*\n/);
    expect(stderr).toMatch(/\n {4}at .+/);
  });

  it("leaves no file", async () => {
    const before = filesIn(folder);
    const bug = () => {
      throw new Error("a bug");
    };
    await expect(compile({ input: model, output: `${folder}/out/x.onnx`, afterPass: bug })).rejects.toThrow(
      "a bug",
    );
    expect(filesIn(folder)).toEqual(before);
  });

  it("in a pass names the pass and those before it", () => {
    const fine = pass("look-around", () => ({}));
    const bad = pass("break-things", () => ({
      ops: {
        Softmax: () => {
          throw new Error("oops");
        },
      },
    }));
    const error = failure(fine, bad);
    expect(error).toMatchObject({ code: "INTERNAL", kind: "internal", exitCode: 70 });
    expect(error.message).toBe(
      [
        "error INTERNAL: a bug in tfc: oops (passes run before: look-around)",
        "  in break-things",
        "  fix: please report this, with the command and, if you can, the model",
      ].join("\n"),
    );
  });

  it("that leaves a broken model is found after the pass", () => {
    const bad = pass("swap-nodes", ({ rewriter }) => ({
      ops: {
        Softmax: (node) => {
          if (node.next !== null) rewriter.moveAfter(node, node.next);
        },
      },
    }));
    expect(failure(bad).message).toMatch(
      /a bug in tfc: it left a broken model \(passes run before: none\): .*error NODE_ORDER: the value "probabilities" is read/,
    );
  });

  it.each<[string, NodePass["visitor"], string]>([
    [
      "a misspelt key",
      () => ({ opps: {} }) as object,
      'its visitor has a key "opps" that no walk ever meets',
    ],
    ["an op that cannot be", () => ({ ops: { "Mat Mul": () => undefined } }), 'a key "Mat Mul"'],
    [
      "a counter that is not declared",
      ({ count }) => ({
        node: () => {
          count("nodes");
        },
      }),
      'it counts "nodes", which it does not declare',
    ],
  ])("with %s is found", (_, visitor, text) => {
    expect(failure(pass("be-wrong", visitor)).message).toContain(text);
  });

  it("has a place like any other error", () => {
    const error = internalError({ file: "m.onnx", path: "graph.node[3]", op: "Add", pass: "p" }, "that");
    expect(error.message.split("\n").slice(0, 2)).toEqual([
      "m.onnx: error INTERNAL: a bug in tfc: that",
      "  at graph.node[3] (Add), in p",
    ]);
  });
});
