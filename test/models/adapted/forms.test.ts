import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { adapterKinds } from "../../../compiler/adapters/index.ts";
import type { AdapterKind } from "../../../compiler/adapters/kind.ts";
import { Sink } from "../../../compiler/diagnostics/sink.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../../compiler/ir/scalar.ts";
import type { SiteKind } from "../../../compiler/sites/site.ts";
import { emitModel } from "../../../compiler/onnx/emit.ts";
import { writePieces } from "../../../compiler/onnx/output.ts";
import { runPasses, step } from "../../../compiler/pass/runner.ts";
import { parseModel } from "../../../compiler/text/parse.ts";
import type { AdapterFile } from "../../../compiler/weights/adapter-file.ts";
import { injectAdapters, outlineMlp, type Residence } from "../../../passes/index.ts";
import { random } from "../../../runtime/session/random.ts";
import { loadOrt } from "../../../runtime/session/ort.ts";
import { openSession } from "../../../runtime/session/session.ts";
import { tensorFrom, type HostTensor } from "../../../runtime/session/tensor.ts";
import { storedTensor } from "../../runtime/oracle.ts";
import { temporaryFolder } from "../../support/folder.ts";
import {
  bytesOf,
  farthest,
  leavesOf,
  numbersIn,
  oracleOf,
  runCall,
  shapesOf,
  type OneCall,
} from "./one-call.ts";

const folder = temporaryFolder();
let count = 0;
const nextFile = (): string => path.join(folder, `${count++}.onnx`);

/** A decoder of one MLP, 64 wide, over rows of steps or over flat tokens. */
const decoder = (opset: number, dims: string): string => `<ir_version: 10, opset_import: ["" : ${opset}]>
decoder (float[${dims},64] x) => (float[${dims},64] y)
<
  float[64,96] up = ["location": "up"],
  float[96,64] down = ["location": "down"]
>
{
  raised = MatMul (x, up) # float[${dims},96]
  active = Relu (raised)
  mlp = MatMul (active, down) # float[${dims},64]
  y = Add (x, mlp)
}
`;

/** The same as an exporter writes it that has Gemm for every Linear: inside the block rows and steps are one axis. */
const flatInside = `<ir_version: 10, opset_import: ["" : 21]>
decoder (float[B,S,64] x) => (float[B,S,64] y)
<
  float[96,64] up = ["location": "up"],
  float[64,96] down = ["location": "down"],
  int64[2] rows = {-1, 64}
>
{
  shape = Shape (x)
  x_rows = Reshape (x, rows)
  raised = Gemm <transB = 1> (x_rows, up)
  active = Relu (raised)
  down_rows = Gemm <transB = 1> (active, down)
  mlp = Reshape (down_rows, shape) # float[B,S,64]
  y = Add (x, mlp)
}
`;

type Adapter = Pick<OneCall, "kind" | "settings" | "leaves">;

function kindOf(name: string): AdapterKind {
  const kind = adapterKinds.get(name);
  if (kind === undefined) throw new Error(`no kind ${name}`);
  return kind;
}

/** The adapter of an oracle's case; of a smaller size where one is given. */
function adapter(
  kindName: string,
  name: string,
  stated: Readonly<Record<string, unknown>> = {},
  size?: number,
): Adapter {
  const kind = kindOf(kindName);
  const whole = leavesOf(kind, name);
  const settings = kind.settingsOf(shapesOf(whole), stated);
  if (size === undefined) return { kind, settings, leaves: whole };
  const width = { ...kind.widthOf(shapesOf(whole)), dtype: "float" as const };
  const own = Number((settings as Readonly<Record<string, unknown>>)[kind.size]);
  const leaves = kind.leaves(width, settings).map(({ name: leaf, grows }): [string, HostTensor] => {
    const tensor = whole.get(leaf);
    if (tensor === undefined) throw new Error(`no leaf ${leaf}`);
    if (grows === null) return [leaf, tensor];
    const { axis, outer, inner } = grows;
    const dims = tensor.dims.map((dim, i) => (i === axis ? (dim / own) * size : dim));
    const at = (i: number): number => Math.floor(i / (size * inner)) * own * inner + (i % (size * inner));
    expect(outer * size * inner).toBe(dims.reduce((a, b) => a * b, 1));
    return [leaf, tensorFrom("float", dims, (i) => Number(tensor.data[at(i)]))];
  });
  return { kind, settings: { ...settings, [kind.size]: size }, leaves: new Map(leaves) };
}

/** Adapters of unequal size that share a body, 64 to 64. */
const banks: readonly (readonly [string, readonly Adapter[]])[] = [
  [
    "scalarlm",
    [
      adapter("scalarlm", "batch"),
      adapter("scalarlm", "flat", {}, 3),
      adapter("scalarlm", "zero_row", {}, 5),
    ],
  ],
  [
    "lora",
    [
      adapter("lora", "rank_one", { alpha: 2 }),
      adapter("lora", "batch", { alpha: 16 }),
      adapter("lora", "rslora", { alpha: 16, rslora: true }, 5),
    ],
  ],
  ...(["l2_norm_gelu", "gelu_l2_norm", "softmax"] as const).map(
    (norm): readonly [string, readonly Adapter[]] => [
      `pattention ${norm}`,
      [
        adapter("pattention", `${norm}-batch`, { norm }),
        adapter("pattention", `${norm}-one_token`, { norm }),
        adapter("pattention", `${norm}-flat`, { norm, tau: 7 }, 9),
      ],
    ],
  ),
];

function fileOf(sites: Readonly<Partial<Record<SiteKind, Adapter>>>): AdapterFile {
  const parts = Object.entries(sites).map(([site, { kind, settings, leaves }]) => ({
    site: { layer: 0, copy: 0, site: site as SiteKind },
    kind: kind.name,
    settings: settings as Readonly<Record<string, unknown>>,
    leaves: new Map(
      [...leaves].map(([name, tensor]) => [
        name,
        { dtype: "float" as const, shape: tensor.dims, bytes: () => bytesOf(tensor) },
      ]),
    ),
  }));
  return {
    file: "adapters",
    format: "safetensors",
    parts,
    overrides: new Map(),
    headFollows: true,
    base: null,
  };
}

/** A model with adapters put in; without any, the base. Its weights are random, and always the same. */
function compiled(text: string, given: readonly AdapterFile[], residence: Residence): string {
  const model: Model = parseModel(text);
  const rw = new Rewriter();
  for (const value of model.graph.initializers) {
    const tensor = value.constant;
    if (tensor?.storage.kind !== "external") continue;
    const stream = random(5, tensor.storage.location);
    rw.setConstant(
      value,
      tensorOf(
        "float",
        tensor.shape,
        Array.from({ length: tensor.size }, () => stream.normal() / 8),
      ),
    );
  }
  const steps = given.length === 0 ? [] : [step(outlineMlp), step(injectAdapters, { given, residence })];
  runPasses(model, steps, new Sink());
  const file = nextFile();
  writePieces(file, emitModel(model).pieces);
  return file;
}

async function run(
  file: string,
  x: HostTensor,
  ids: readonly number[] | null,
  optimizations: "off" | "all" = "all",
): Promise<number[]> {
  const session = await openSession(file, { threads: 1, optimizations });
  try {
    const chosen =
      ids === null ? [] : [["adapter_ids", tensorFrom("int64", [ids.length], (i) => ids[i] ?? 0)] as const];
    const y = (await session.run(new Map([["x", x], ...chosen]))).get("y");
    if (y === undefined) throw new Error("no y");
    expect(y.dims).toEqual(x.dims);
    return numbersIn(y);
  } finally {
    await session.close();
  }
}

/** The same without what a session looks at: any program may run the graph. */
async function runBare(file: string, x: HostTensor, ids: readonly number[]): Promise<void> {
  const { InferenceSession, Tensor } = await loadOrt();
  const session = await InferenceSession.create(file, { logSeverityLevel: 4 });
  try {
    const chosen = BigInt64Array.from(ids, (id) => BigInt(id));
    await session.run({
      x: new Tensor("float32", x.data as Float32Array, x.dims),
      adapter_ids: new Tensor("int64", chosen, [ids.length]),
    });
  } finally {
    await session.release();
  }
}

/** The inputs of oracles one after another, as often as it takes. */
function inputs(dims: readonly number[]): HostTensor {
  const rows = ["batch", "flat", "zero_row"].flatMap((name) =>
    numbersIn(storedTensor(oracleOf("scalarlm"), `${name}.x`)),
  );
  return tensorFrom("float", dims, (i) => rows[i % rows.length] ?? 0);
}

/** The base's numbers, with what `single` adds to each token. */
async function wanted(
  base: string,
  members: readonly Adapter[],
  x: HostTensor,
  ids: readonly number[],
): Promise<number[]> {
  const sum = await run(base, x, null);
  const perId = sum.length / ids.length;
  for (const [id, member] of members.entries()) {
    const added = numbersIn(await runCall(nextFile(), { ...member, x, opset: 21 }));
    ids.forEach((one, row) => {
      if (one !== id) return;
      for (let i = row * perId; i < (row + 1) * perId; i++) sum[i] = (sum[i] ?? NaN) + (added[i] ?? NaN);
    });
  }
  return sum;
}

const forms = [
  { form: "rows", dims: "B,S", shape: [7, 4, 64] },
  { form: "tokens", dims: "T", shape: [11, 64] },
] as const;

describe.each(forms)("a bank of $form", ({ dims, shape }) => {
  const x = inputs(shape);
  const length = shape[0];

  describe.each([13, 21])("in opset %d", (opset) => {
    const base = compiled(decoder(opset, dims), [], "baked");

    describe.each(banks)("of %s", (_, members) => {
      const bank = compiled(
        decoder(opset, dims),
        members.map((one) => fileOf({ mlp: one })),
        "bank",
      );

      it.each(["off", "all"] as const)(
        "gives each what its adapter gives alone, optimizations %s",
        async (level) => {
          const ids = Array.from({ length }, (_, i) => [1, 0, -1, 2, 2][i % 5] ?? 0);
          const want = await wanted(base, members, x, ids);
          expect(farthest(await run(bank, x, ids, level), want)).toBeLessThan(1e-5);
          // Each adapter does something of its own.
          for (const other of [0, 1, 2]) {
            const one = await wanted(
              base,
              members,
              x,
              ids.map(() => other),
            );
            expect(farthest(one, want)).toBeGreaterThan(0.1);
          }
        },
      );

      it("gives exactly the base for -1", async () => {
        const want = await run(base, x, null);
        expect(farthest(await run(bank, x, Array<number>(length).fill(-1)), want)).toBe(0);
        const mixed = Array.from({ length }, (_, i) => (i % 2 === 0 ? -1 : 1));
        const got = await run(bank, x, mixed);
        const perId = got.length / length;
        const even = (values: readonly number[]): number[] =>
          values.filter((_, i) => Math.floor(i / perId) % 2 === 0);
        expect(farthest(even(got), even(want))).toBe(0);
      });

      it.each([members.length + 1, 1000, -members.length - 2])("refuses the id %d", async (id) => {
        const ids = Array.from({ length }, (_, i) => (i === 1 ? id : 0));
        await expect(run(bank, x, ids)).rejects.toMatchObject({ code: "ADAPTER_IDS_RANGE" });
        await expect(runBare(bank, x, ids)).rejects.toThrow(/out of.*bounds/);
      });
    });
  });
});

describe.each(forms)("in a bank of $form, an id that is no member's", ({ dims, shape }) => {
  const members = banks[1]?.[1] ?? [];

  // Behind the members the zeros of -1 are stacked, and Gather counts negative indices from the end.
  it.each([members.length, -2])("is refused: %d", async (id) => {
    const files = members.map((one) => fileOf({ mlp: one }));
    const bank = compiled(decoder(21, dims), files, "bank");
    const ids = Array.from({ length: shape[0] }, (_, i) => (i === 1 ? id : 0));
    await expect(run(bank, inputs(shape), ids)).rejects.toMatchObject({ code: "ADAPTER_IDS_RANGE" });
    await expect(runBare(bank, inputs(shape), ids)).rejects.toThrow("Non-zero status code");
  });
});

describe("members that have adapters at different places", () => {
  const members = (norm: string): readonly AdapterFile[] => [
    fileOf({
      mlp: adapter("pattention", `${norm}-batch`, { norm }),
      up_proj: adapter("pattention", `${norm}-wide`, { norm }),
    }),
    fileOf({ mlp: adapter("pattention", `${norm}-one_token`, { norm }) }),
    fileOf({ up_proj: adapter("pattention", `${norm}-wide`, { norm, tau: 3 }, 4) }),
  ];
  const x = inputs([6, 3, 64]);
  const ids = [2, 0, -1, 1, 2, 0];

  it.each([
    ["softmax", decoder(13, "B,S")],
    ["softmax", decoder(21, "B,S")],
    ["l2_norm_gelu", decoder(21, "B,S")],
    ["gelu_l2_norm", decoder(21, "B,S")],
    ["softmax", flatInside],
    ["l2_norm_gelu", flatInside],
  ])("%s: each row is what its adapter computes when it is the only one", async (norm, text) => {
    const files = members(norm);
    const got = await run(compiled(text, files, "bank"), x, ids);
    const alone = await Promise.all([
      run(compiled(text, [], "baked"), x, null),
      ...files.map((file) => run(compiled(text, [file], "baked"), x, null)),
    ]);
    const perId = got.length / ids.length;
    const want = got.map((_, i) => alone[(ids[Math.floor(i / perId)] ?? 0) + 1]?.[i] ?? NaN);
    expect(farthest(got, want)).toBeLessThan(1e-5);
    const [base, ...others] = alone;
    for (const other of others) expect(farthest(other, base)).toBeGreaterThan(0.1);
  });
});
