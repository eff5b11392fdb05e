import { describe, expect, it } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { tfcHere } from "../support/tfc.ts";
import {
  graphAttribute,
  info,
  initializerOf,
  node,
  nodeOf,
  tinyDecoder,
  writeModel,
  type ModelMessage,
} from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
let count = 0;

/** The tiny decoder after an edit, in a file. */
function edited(edit: (model: ModelMessage) => void): string {
  const model = tinyDecoder();
  edit(model);
  return writeModel(folder, `${count++}.onnx`, model);
}

describe("value names", () => {
  it("that two nodes define are refused, with both places", async () => {
    const file = edited((m) => m.graph?.node?.push(node("Relu", ["hidden"], "middle")));
    expect(await refused(folder, "compile", file)).toBe(
      [
        `${file}: error NAME_DUPLICATE: the value name "middle" is defined twice`,
        '  at graph.node[36] "middle"',
        "  wanted each value name defined once (static single assignment), found a first definition at graph.node[22]",
        "  fix: rename one of the two in the exporter\n",
      ].join("\n"),
    );
  });

  it.each<[string, (model: ModelMessage) => void, string]>([
    ["two inputs", (m) => m.graph?.input?.push(info("input_ids", 7, [1])), "graph.input[1]"],
    ["an input and a node", (m) => m.graph?.input?.push(info("hidden", 1, [1])), "graph.node[0]"],
    ["two initializers", (m) => m.graph?.initializer?.push(initializerOf(m, "two")), "graph.initializer[14]"],
  ])("that %s define are refused", async (_, edit, place) => {
    const message = await refused(folder, "compile", edited(edit));
    expect(message).toContain("error NAME_DUPLICATE");
    expect(message).toContain(`at ${place}`);
  });

  it("that two attributes of a node have are refused", async () => {
    const file = edited((m) => {
      const softmax = nodeOf(m, "probabilities");
      softmax.attribute = [...(softmax.attribute ?? []), ...(softmax.attribute ?? [])];
    });
    const message = await refused(folder, "compile", file);
    expect(message).toContain('error NAME_DUPLICATE: the attribute name "axis" is defined twice');
    expect(message).toMatch(/at graph\.node\[\d+\] \(Softmax\)/);
  });

  it("that nothing defines are refused, with the reader", async () => {
    const file = edited((m) => {
      nodeOf(m, "scores").input = ["products", "nowhere"];
    });
    expect(await refused(folder, "compile", file)).toMatch(
      /error NAME_DANGLING: nothing defines the value "nowhere"\n {2}at graph\.node\[\d+\] "nowhere"\n/,
    );
  });

  it("of an output that nothing makes are refused", async () => {
    const file = edited((m) => m.graph?.output?.push(info("present", 1, [1])));
    const message = await refused(folder, "compile", file);
    expect(message).toContain('nothing defines the value "present"');
    expect(message).toContain("at graph.output[1]");
  });

  it("of another graph's inside are out of reach", async () => {
    const file = edited((m) => {
      const inner = {
        name: "inner",
        node: [node("Relu", ["hidden"], "inside")],
        output: [info("inside", 1, [])],
      };
      const branches = ["then_branch", "else_branch"].map((name) => graphAttribute(name, inner));
      m.graph?.node?.push(
        { ...node("If", ["flag"], "chosen"), attribute: branches },
        node("Relu", ["inside"], "leak"),
      );
      m.graph?.input?.push(info("flag", 9, []));
    });
    expect(await refused(folder, "compile", file)).toContain('nothing defines the value "inside"');
  });
});

describe("node order", () => {
  it("that is wrong is put right, with a warning", async () => {
    const file = edited((m) => m.graph?.node?.reverse());
    const { status, stderr } = await tfcHere("compile", file);
    expect(status).toBe(0);
    expect(stderr).toContain("warning NODES_SORTED");
  });

  it("that no order can repair, a cycle, is refused", async () => {
    const file = edited((m) => {
      nodeOf(m, "middle").input = ["last", "attended"];
    });
    const message = await refused(folder, "compile", file);
    expect(message).toContain("error NODE_ORDER");
    expect(message).toContain("fix: the nodes read each other in a cycle");
  });

  it("a node that reads itself is refused", async () => {
    const file = edited((m) => {
      nodeOf(m, "middle").input = ["middle", "attended"];
    });
    expect(await refused(folder, "compile", file)).toContain("error NODE_ORDER");
  });
});

describe("functions", () => {
  const call = (name: string, domain = "local") => ({ ...node(name, ["x"], "y"), domain });
  const func = (name: string, ...nodes: ReturnType<typeof call>[]) => ({
    name,
    domain: "local",
    input: ["x"],
    output: ["y"],
    node: nodes,
    opsetImport: [{ domain: "", version: 17 }],
  });

  it.each([
    ["itself", [func("F", call("F"))], "local::F"],
    ["another that calls it", [func("F", call("G")), func("G", call("F"))], "local::"],
  ])("that call %s are refused", async (_, functions, name) => {
    const message = await refused(
      folder,
      "compile",
      edited((m) => (m.functions = functions)),
    );
    expect(message).toContain(`error FUNCTION_RECURSIVE: the function ${name}`);
    expect(message).toMatch(/at functions\[[01]\]/);
  });

  it("of one name are refused", async () => {
    const functions = [func("F", call("Relu", "")), func("F", call("Abs", ""))];
    const message = await refused(
      folder,
      "compile",
      edited((m) => (m.functions = functions)),
    );
    expect(message).toContain('error NAME_DUPLICATE: the function name "local::F" is defined twice');
  });

  it("whose body reads the graph around are refused", async () => {
    const functions = [func("F", { ...node("Add", ["x", "hidden"], "y"), domain: "" })];
    const message = await refused(
      folder,
      "compile",
      edited((m) => (m.functions = functions)),
    );
    expect(message).toContain('nothing defines the value "hidden"');
    expect(message).toContain("at functions[0].node[0]");
  });

  it("called with more than they take are refused", async () => {
    const file = edited((m) => {
      m.functions = [func("F", call("Relu", ""))];
      m.graph?.node?.push({ ...node("F", ["hidden", "hidden"], "called"), domain: "local" });
    });
    const message = await refused(folder, "compile", file);
    expect(message).toContain("error CALL_DOES_NOT_FIT: a call does not fit the function local::F");
    expect(message).toContain("wanted at most 1 inputs and 1 outputs, found 2 and 1");
  });

  it("that nothing calls are kept", async () => {
    const file = edited((m) => (m.functions = [func("F", call("Relu", ""))]));
    expect(await tfcHere("compile", file)).toMatchObject({ status: 0 });
    expect((await tfcHere("dump", file.replace(".onnx", ".tfc.onnx"))).stdout).toContain('domain: "local"');
  });
});

describe("tensors", () => {
  it.each<[string, (model: ModelMessage) => void, string]>([
    [
      "fewer bytes than their shape",
      (m) => (initializerOf(m, "q_proj").rawData = new Uint8Array(12)),
      "wanted 256 bytes for float[8,8], found 12",
    ],
    [
      "more bytes than their shape",
      (m) => (initializerOf(m, "embed").rawData = new Uint8Array(2048)),
      "wanted 512 bytes for float[16,8], found 2048",
    ],
    [
      "fewer numbers than their shape",
      (m) => (initializerOf(m, "flat_shape").int64Data = [0, 0]),
      "wanted 24 bytes for int64[3], found 16",
    ],
    ["a negative size", (m) => (initializerOf(m, "q_proj").dims = [8, -8]), "found [8,-8]"],
    [
      "more elements than there are numbers",
      (m) => (initializerOf(m, "q_proj").dims = [2 ** 52, 4]),
      "found [4503599627370496,4]",
    ],
  ])("with %s are refused", async (_, edit, text) => {
    const message = await refused(folder, "compile", edited(edit));
    expect(message).toMatch(
      /error TENSOR_INVALID: a tensor has .*\n {2}at graph\.initializer\[\d+\] "\w+"\n/,
    );
    expect(message).toContain(text);
  });
});

describe("a weight without data", () => {
  it.each([["--pack"], ["--quantize", "int4"]])("is refused where %s is to read it", async (...flags) => {
    const file = edited((m) => {
      for (const name of ["q_proj", "k_proj", "v_proj", "gate", "up"]) {
        const weight = m.graph?.initializer?.find((one) => one.name === name);
        if (weight !== undefined) delete weight.rawData;
      }
    });
    expect(await refused(folder, "compile", file, ...flags)).toContain(
      "error TENSOR_INVALID: a tensor has no data",
    );
  });
});
