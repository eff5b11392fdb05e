import { inputError } from "../../../diagnostics/error.ts";
import { attribute } from "../../../ir/attribute.ts";
import type { Builder } from "../../../ir/builder.ts";
import type { DType } from "../../../ir/dtype.ts";
import type { Value } from "../../../ir/value.ts";
import { adapterKinds } from "../../../adapters/index.ts";
import type { KindName } from "../../../adapters/kind.ts";
import type { AdapterPart } from "../../../weights/adapter-file.ts";
import { siteName } from "../../../sites/names.ts";

/** What a formula is written with. */
export interface Written {
  readonly b: Builder;
  /** What the adapter reads, `[T, in]`. */
  readonly x: Value;
  /** Leaves as the file has them, by name. */
  readonly leaf: (name: string) => Value;
  readonly part: AdapterPart;
  /** The float type that it is computed in. */
  readonly dtype: DType;
  /** Makes names that belong together. */
  readonly name: (hint: string) => string;
}

/** What each kind adds, `[T, out]`, as those who train it write it down: nothing is reordered to be cheap. */
export const formulas: Readonly<Record<KindName, (written: Written) => Value>> = {
  lora: ({ b, x, leaf, part, dtype, name }) => {
    const { alpha, rslora } = part.settings;
    const rank = shapeOf(part, "lora_A.weight")[0] ?? 1;
    const scale = Number(alpha) / (rslora === true ? Math.sqrt(rank) : rank);
    const factor = b.constant(dtype, [], [scale], name("scale"));
    const [down, up] = ["lora_A.weight", "lora_B.weight"].map((matrix) =>
      b.transpose(leaf(matrix), [1, 0], name(`${matrix}_turned`)),
    );
    const product = b.op("MatMul", [b.op("MatMul", [x, down ?? null], name("down")), up ?? null], name("up"));
    return b.op("Mul", [product, factor], name("scaled"));
  },
  scalarlm: ({ b, x, leaf, part, dtype, name }) => {
    const [heads = 1, width = 1] = shapeOf(part, "tokenformer_k");
    const rank = shapeOf(part, "tokenformer_p")[0] ?? 1;
    const own = width / heads;
    const byHead = (value: Value, of: number, hint: string): Value =>
      b.transpose(b.reshape(value, [-1, heads, of], name(`${hint}_split`)), [1, 0, 2], name(hint));
    const queries = byHead(x, own, "queries"); // [H, T, h]
    const keys = byHead(leaf("tokenformer_k"), own, "keys"); // [H, S, h]
    const values = byHead(leaf("tokenformer_v"), own * rank, "values"); // [H, S, h r]
    const turned = b.transpose(keys, [0, 2, 1], name("keys_turned"));
    const root = b.constant(dtype, [], [Math.sqrt(own)], name("root"));
    const scores = b.op("Div", [b.op("MatMul", [queries, turned], name("products")), root], name("scores"));
    const weights = b.op("Softmax", [scores], name("weights"), { axis: attribute.int(-1) });
    const mixed = b.transpose(b.op("MatMul", [weights, values], name("mixed")), [1, 0, 2], name("together"));
    const matrices = b.reshape(mixed, [-1, width, rank], name("matrices")); // [T, d, r]
    const rows = b.reshape(x, [-1, 1, width], name("rows"));
    const down = b.reshape(b.op("MatMul", [rows, matrices], name("product")), [-1, rank], name("down"));
    return b.op("MatMul", [down, leaf("tokenformer_p")], name("up"));
  },
  pattention: ({ b, x, leaf, part, dtype, name }) => {
    const { norm, tau } = part.settings;
    const tokens = shapeOf(part, "key_param_tokens")[0] ?? 1;
    const usual = norm === "softmax" ? tokens : Math.sqrt(tokens);
    const factor = b.constant(dtype, [], [Number(tau ?? 0) || usual], name("tau"));
    const keys = b.transpose(leaf("key_param_tokens"), [1, 0], name("keys_turned"));
    const scores = b.op("MatMul", [x, keys], name("scores"));
    const scaled = (value: Value, hint: string): Value => b.op("Mul", [value, factor], name(hint));
    const weights =
      norm === "softmax"
        ? scaled(b.op("Softmax", [scores], name("probabilities"), { axis: attribute.int(-1) }), "weights")
        : norm === "gelu_l2_norm"
          ? scaled(byLength(b, gelu(b, scores, dtype, name), dtype, name), "weights")
          : gelu(b, scaled(byLength(b, scores, dtype, name), "scaled"), dtype, name);
    return b.op("MatMul", [weights, leaf("value_param_tokens")], name("up"));
  },
};

/** The exact gelu, `x/2 · (1 + erf(x/√2))`. */
function gelu(b: Builder, x: Value, dtype: DType, name: Written["name"]): Value {
  const number = (value: number, hint: string): Value => b.constant(dtype, [], [value], name(hint));
  const erf = b.op(
    "Erf",
    [b.op("Div", [x, number(Math.SQRT2, "root_two")], name("gelu_scaled"))],
    name("erf"),
  );
  const share = b.op("Add", [erf, number(1, "one")], name("gelu_share"));
  return b.op("Mul", [b.op("Mul", [x, share], name("gelu_twice")), number(0.5, "half")], name("gelu"));
}

/** Rows by their lengths; a row of zeros stays one. */
function byLength(b: Builder, x: Value, dtype: DType, name: Written["name"]): Value {
  const squares = b.op("Mul", [x, x], name("squares"));
  const length = b.op("Sqrt", [b.sum(squares, [-1], name("length_squared"))], name("length"));
  const least = b.constant(dtype, [], [1e-30], name("least"));
  const column = b.unsqueeze(b.op("Max", [length, least], name("length_or_more")), [-1], name("lengths"));
  return b.op("Div", [x, column], name("by_length"));
}

function shapeOf({ leaves }: AdapterPart, name: string): readonly number[] {
  return leaves.get(name)?.shape ?? [];
}

/**
 * Refuses an adapter with leaves that its formula does not read.
 *
 * @throws TfcError VERIFY_LOAD_IMPOSSIBLE
 */
export function checkFormula(file: string, { kind, leaves, site }: AdapterPart): void {
  const read = adapterKinds.get(kind)?.leafNames ?? [];
  const strange = [...leaves.keys()].find((leaf) => !read.includes(leaf));
  if (strange === undefined) return;
  const why = `it has ${strange}, and ${kind} with it is not computed beside this base`;
  throw inputError("VERIFY_LOAD_IMPOSSIBLE", { file, name: siteName(site) }, { why });
}

/** The leaf whose features are those of the result, and which axis of it they are: it may be widened by zeros. */
export const resultLeaf: Readonly<Record<KindName, readonly [leaf: string, axis: 0 | 1]>> = {
  lora: ["lora_B.weight", 0],
  scalarlm: ["tokenformer_p", 1],
  pattention: ["value_param_tokens", 1],
};
