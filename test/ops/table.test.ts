import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { AttentionOp } from "../../compiler/ops/op.ts";
import { ops } from "../../compiler/ops/table.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { parseModel } from "../../compiler/text/parse.ts";

const attention = [...ops].flatMap(([name, { attention }]) =>
  attention === null ? [] : [[name, attention] as const],
);

/** One layer of four heads, two of keys and values, whose attention is the op with all operands that its row names. */
function layerOf(name: string, op: AttentionOp) {
  const { query, key, value, cache, mask, rotary, sinks, heads } = op;
  const named: readonly (readonly [number | null | undefined, string])[] = [
    [query, "q"],
    [key, "k"],
    [value, "v"],
    [cache?.pastKey, "past_key"],
    [cache?.pastValue, "past_value"],
    [mask.operand, "mask"],
    [mask.lengths, "lengths"],
    [rotary?.cos, "cos"],
    [rotary?.sin, "sin"],
    [sinks, "sinks"],
  ];
  const operands: string[] = [];
  for (const [index, operand] of named) if (typeof index === "number") operands[index] = operand;
  const results: string[] = ["context"];
  if (cache !== null)
    [results[cache.presentKey], results[cache.presentValue]] = ["present_key", "present_value"];
  const attributes = [
    ...(heads === null ? [] : [`${heads.query} = 4`, `${heads.keyValue[0] ?? ""} = 2`]),
    ...(rotary?.attribute ? [`${rotary.attribute} = 1`] : []),
    ...(typeof mask.causal === "string" ? [`${mask.causal} = 1`] : []),
    ...(mask.window === null ? [] : [`${mask.window} = 5`]),
  ];
  const call = `${name.replace("::", ".")} <${attributes.join(", ")}> (${list(operands)})`;
  return parseModel(`<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1, "tfc" : 1, "vllm" : 1]>
    g (float[B,S,8] x, float[B,2,P,2] past_key, float[B,2,P,2] past_value, float[B,1,S,T] mask, int32[B] lengths)
    => (float[B,S,8] y)
    <float[8,8] wq = ["location": "q"], float[8,4] wk = ["location": "k"], float[8,4] wv = ["location": "v"],
     float[8,8] wo = ["location": "o"], float[9,1] cos = ["location": "c"], float[9,1] sin = ["location": "s"],
     float[4] sinks = ["location": "k"]>
    {
      q = MatMul (x, wq) k = MatMul (x, wk) v = MatMul (x, wv)
      ${list(results)} = ${call}
      o = MatMul (context, wo) y = Add (x, o)
    }`);
}

function list(names: readonly (string | undefined)[]): string {
  return Array.from(names, (name) => name ?? '""').join(", ");
}

describe("a row of an op that is attention", () => {
  it.each(attention)("is all that is needed to understand %s", (name, op) => {
    const [seen] = viewDecoder(layerOf(name, op)).seen;
    const answer = seen?.answer;
    if (answer === undefined || !("kind" in answer) || answer.kind !== "attention")
      throw new Error(`not understood: ${JSON.stringify(answer, ["code", "want", "got"])}`);
    const { q, k, v, o, heads, cache, mask, rotary, sinks } = answer;
    expect([q, k, v, o].map(({ weight }) => weight.name)).toEqual(["wq", "wk", "wv", "wo"]);
    if (op.heads !== null) expect(heads).toEqual({ heads: 4, kvHeads: 2, headDim: 2 });
    const names =
      cache && [cache.pastKey, cache.pastValue, cache.presentKey, cache.presentValue].map((x) => x?.name);
    expect(names).toEqual(op.cache && ["past_key", "past_value", "present_key", "present_value"]);
    expect(rotary && [rotary.cos?.name, rotary.sin?.name]).toEqual(op.rotary && ["cos", "sin"]);
    expect(sinks?.name).toBe(op.sinks === null ? undefined : "sinks");
    expect(mask.window).toBe(op.mask.window === null ? null : 5);
    const isCausal = op.mask.operand === null && op.mask.causal !== null;
    expect(mask.kind).toBe(op.mask.operand !== null ? "operand" : isCausal ? "causal" : "none");
    const source = op.mask.operand !== null ? "mask" : op.mask.lengths !== null ? "lengths" : undefined;
    expect(mask.source?.name).toBe(source);
  });

  it("is the one place where recognizers and passes know the op", () => {
    const root = path.resolve(import.meta.dirname, "../..");
    const names = attention.map(([name]) => name).filter((name) => name.includes("::"));
    const knowing = ["compiler/recognize", "compiler/sites", "passes"].flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => path.join(folder, file))
        .filter((file) =>
          names.some((name) => readFileSync(path.join(root, file), "utf8").includes(`"${name}"`)),
        ),
    );
    // What writes one op, and passes that are about one, its opaque twin, or a mask that each op takes in its own way.
    const files = [
      "lower/attention/_grouped-query.ts",
      "lower/attention/lower-paged-attention.ts",
      "train/_flat-tokens.ts",
      "train/_padding.ts",
    ];
    expect(knowing.sort()).toEqual(files.map((file) => path.join("passes", file)));
  });
});

describe("names", () => {
  it.each(["constructor", "__proto__", "toString"])(
    "that every object has, such as %s, are no rows",
    (name) => {
      expect(ops.get(name)).toBeUndefined();
    },
  );
});
