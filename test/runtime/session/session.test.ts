import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { cudaObstacle, devices } from "../../../runtime/session/devices.ts";
import { ortMessage } from "../../../runtime/session/ort.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { tensorFrom, type HostTensor } from "../../../runtime/session/tensor.ts";
import { BFLOAT, FLOAT, graphFile, HALF, INT64, scaled, temporary } from "../graphs.ts";

describe("openSession", () => {
  it("tells names, types and dims of inputs and outputs", async () => {
    const file = graphFile("ports.onnx", {
      inputs: { ids: [INT64, ["batch", 3]], half: [HALF, [""]] },
      outputs: { a: [INT64, ["batch", 3]], b: [HALF, [""]] },
      nodes: [
        { op: "Identity", in: ["ids"], out: ["a"] },
        { op: "Identity", in: ["half"], out: ["b"] },
      ],
    });
    const session = await openSession(file);
    expect(session.provider).toBe("cpu");
    expect(session.inputs).toEqual([
      { name: "ids", dtype: "int64", dims: ["batch", 3] },
      { name: "half", dtype: "float16", dims: [""] },
    ]);
    const half: HostTensor = { dtype: "float16", dims: [2], data: Uint16Array.of(0x3c00, 0xc000) };
    const results = await session.run(
      new Map([
        ["ids", tensorFrom("int64", [1, 3], (i) => i)],
        ["half", half],
      ]),
    );
    expect(results.get("a")).toEqual({ dtype: "int64", dims: [1, 3], data: BigInt64Array.of(0n, 1n, 2n) });
    expect(results.get("b")).toEqual(half);
    await session.close();
  });

  it.each(["off", "all"] as const)(
    "runs with optimizations %s, and fetches what is asked for",
    async (optimizations) => {
      const session = await openSession(scaled("double.onnx", 2), { optimizations, threads: 1 });
      const results = await session.run(new Map([["x", tensorFrom("float", [1, 1, 4], (i) => i)]]), ["y"]);
      expect([...results.keys()]).toEqual(["y"]);
      expect(results.get("y")?.data).toEqual(Float32Array.of(0, 2, 4, 6));
      await session.close();
    },
  );

  it("falls back to the CPU with provider auto where CUDA does not start", async () => {
    const cuda = (await devices()).find(({ provider }) => provider === "cuda");
    const session = await openSession(scaled("auto.onnx", 2), { provider: "auto" });
    expect(session.provider).toBe(cuda?.usable === true ? "cuda" : "cpu");
    await session.close();
  });

  it("names a file that is missing", async () => {
    await expect(openSession(temporary("none.onnx"))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  });

  it("says what onnxruntime found wrong with a model", async () => {
    const file = graphFile("no-such-op.onnx", {
      inputs: { x: [FLOAT, [1]] },
      outputs: { y: [FLOAT, [1]] },
      nodes: [{ op: "NoSuchOp", in: ["x"], out: ["y"] }],
    });
    await expect(openSession(file)).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
      diagnostics: [{ place: { file }, found: expect.stringContaining("NoSuchOp") }],
    });
  });

  it.each(["provider", "optimizations"])("takes no word for %s that it does not know", async (option) => {
    await expect(openSession(scaled("words.onnx", 2), { [option]: "gpu" })).rejects.toMatchObject({
      code: "OPTION_UNKNOWN_VALUE",
      diagnostics: [{ found: '"gpu"' }],
    });
  });

  it("says which element type JavaScript has not", async () => {
    const file = graphFile("bfloat.onnx", {
      inputs: { x: [BFLOAT, [1]] },
      outputs: { y: [BFLOAT, [1]] },
      nodes: [{ op: "Identity", in: ["x"], out: ["y"] }],
    });
    await expect(openSession(file)).rejects.toThrow(
      "element type 16 (16 is bfloat16), which JavaScript has not",
    );
  });

  it("says which op has no kernel for bfloat16 on the CPU, and what to do", async () => {
    const file = graphFile("no-kernel.onnx", {
      inputs: { x: [FLOAT, [1]] },
      outputs: { y: [FLOAT, [1]] },
      nodes: [
        { op: "Cast", in: ["x"], out: ["a"], ints: { to: BFLOAT } },
        { op: "Mul", in: ["a", "a"], out: ["b"] },
        { op: "Cast", in: ["b"], out: ["y"], ints: { to: FLOAT } },
      ],
    });
    await expect(openSession(file)).rejects.toMatchObject({
      code: "RUNTIME_NO_KERNEL",
      diagnostics: [
        {
          place: { file },
          wanted: "ops that it runs there: few take bfloat16",
          found: "Mul of opset 14, in types that none takes",
        },
      ],
    });
  });

  it("says what onnxruntime found wrong with a run", async () => {
    const file = scaled("run.onnx", 2);
    const session = await openSession(file);
    await expect(session.run(new Map())).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
      diagnostics: [{ place: { file }, found: "input 'x' is missing in 'feeds'." }],
    });
    await session.close();
  });

  it("takes feeds as an object, and names one that is no input or no tensor", async () => {
    const file = scaled("given.onnx", 2);
    const session = await openSession(file, { threads: 1 });
    const x = tensorFrom("float", [1, 1, 4], (i) => i);
    expect((await session.run({ x })).get("y")?.data).toEqual(Float32Array.of(0, 2, 4, 6));
    await expect(session.run({ x, z: x })).rejects.toMatchObject({
      code: "INPUT_UNKNOWN",
      diagnostics: [{ place: { file, name: "z" }, wanted: "one of x" }],
    });
    const wrong: readonly unknown[] = [
      null,
      [1, 2],
      { ...x, dtype: "float32" },
      { ...x, dtype: "constructor" },
      { ...x, dims: [1, 1, 2.5] },
      { ...x, dims: [1, 2, 4] },
      { ...x, data: 3 },
    ];
    for (const tensor of wrong) {
      await expect(session.run({ x: tensor as HostTensor })).rejects.toMatchObject({ code: "INPUT_INVALID" });
    }
    for (const feeds of [null, 3, [x]]) {
      await expect(session.run(feeds as never)).rejects.toMatchObject({ code: "INPUT_INVALID" });
    }
    await session.close();
  });

  it("closes twice without harm, and runs no more", async () => {
    const session = await openSession(scaled("closed.onnx", 2));
    await Promise.all([session.close(), session.close()]);
    await session.close();
    const feeds = { x: tensorFrom("float", [1, 1, 4], (i) => i) };
    await expect(session.run(feeds)).rejects.toMatchObject({ code: "SESSION_CLOSED" });
  });

  it("says how to get CUDA when it is asked for and not there", async () => {
    if (cudaObstacle() === null) return;
    await expect(openSession(scaled("cuda.onnx", 2), { provider: "cuda" })).rejects.toMatchObject({
      code: "RUNTIME_PROVIDER",
      diagnostics: [{ fix: expect.stringMatching(/^npx tfc doctor --install-cuda$|Linux x64/) }],
    });
  });
});

describe("devices", () => {
  it("finds the CPU usable, and for any other gives reason and remedy", async () => {
    const [cpu, ...others] = await devices();
    expect(cpu).toEqual({ provider: "cpu", usable: true });
    for (const device of others) {
      if (!device.usable) expect([device.why, device.fix]).not.toContain(undefined);
    }
  });
});

describe("ortMessage", () => {
  it.each([
    [
      "Load model from m.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:202 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&) Unsupported model IR version: 99, max supported IR version: 13\n",
      "Unsupported model IR version: 99, max supported IR version: 13",
    ],
    [
      "\u001b[1;31m[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned\u001b[m",
      "Non-zero status code returned",
    ],
    ["Load model m.onnx failed. File doesn't exist", "Load model m.onnx failed. File doesn't exist"],
  ])("strips noise (%#)", (raw, clean) => {
    expect(ortMessage(new Error(raw))).toBe(clean);
  });
});

it("says of paged attention on a CPU what it needs, and how to do without", async () => {
  const file = path.resolve(
    import.meta.dirname,
    "../../../samples/models/families/llama2-genai-paged/model.onnx",
  );
  await expect(openSession(file, { provider: "cpu" })).rejects.toMatchObject({
    code: "PAGED_ATTENTION_UNRUN",
    diagnostics: [{ place: { file }, fix: expect.stringContaining("lowerPagedAttention") as unknown }],
  });
});
