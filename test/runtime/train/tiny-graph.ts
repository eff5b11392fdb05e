import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describeAdapters } from "../../../compiler/adapters/description.ts";
import { ADAPTER_KEY } from "../../../compiler/adapters/kind.ts";
import { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { emitModel } from "../../../compiler/onnx/emit.ts";
import { writePieces } from "../../../compiler/onnx/output.ts";
import { TRAIN_KEY, type Training } from "../../../compiler/ops/training.ts";
import { parseModel } from "../../../compiler/text/parse.ts";
import { layoutSafetensors, writeSafetensors } from "../../../compiler/weights/safetensors/safetensors.ts";
import { random } from "../../../runtime/session/random.ts";

/** What a tiny training graph has. */
export interface TinyGraph {
  readonly accumulate?: boolean;
  /** Gradients go through half precision, scaled. */
  readonly lossScale?: boolean;
  /** A token whose embedding is NaN. */
  readonly poison?: number;
}

/** Vocabulary of the sample's tokenizer, hidden size, rank. */
const [V, D, R] = [2048, 16, 4];
const SITE = "model.layers.0.mlp.down_proj";
const [A, B, G] = [`${SITE}.lora_A.weight`, `${SITE}.lora_B.weight`, "model.norm.weight"];
const shapes = { [A]: [R, D], [B]: [D, R], [G]: [D] };

/**
 * Writes a training graph by hand: embeddings, a norm's weight and LoRA, both trained, and a head, with the loss of the
 * next token, its gradients, clipping and AdamW, as training graphs have them.
 *
 * @returns its path
 */
export async function tinyTrainingGraph(folder: string, options: TinyGraph = {}): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const { accumulate = false, lossScale = false, poison } = options;
  const stream = random(1, "tiny");
  const numbers = Float32Array.from({ length: 2 * V * D }, () => stream.normal());
  if (poison !== undefined) numbers.fill(NaN, poison * D, (poison + 1) * D);
  writeFileSync(path.join(folder, "weights.data"), new Uint8Array(numbers.buffer));
  const model = parseModel(textOf({ accumulate, lossScale }));
  const training: Training = {
    ...{ version: 1, emit: "update", memory: "none", accumulate, dropout: 0, lossScale, vocabulary: V },
    parameters: Object.entries(shapes).map(([name, shape]) => ({
      ...{ name, shape, decay: shape.length > 1 },
      site: name === G ? null : SITE,
    })),
  };
  const rw = new Rewriter();
  rw.setMeta(model, TRAIN_KEY, JSON.stringify(training));
  const settings = { rank: R, alpha: R, rslora: false };
  rw.setMeta(
    model,
    ADAPTER_KEY,
    describeAdapters([{ site: SITE, kind: "lora", settings }], { residence: "inputs" }),
  );
  const file = path.join(folder, "model.onnx");
  writePieces(file, emitModel(model).pieces);
  const layout = layoutSafetensors(
    Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "float", shape })),
  );
  await writeSafetensors(path.join(folder, "model.adapters.safetensors"), layout, (name) => {
    const values = name === B ? () => 0 : name === G ? () => 1 : () => stream.normal() / 4;
    const size = (shapes[name] ?? []).reduce((n, d) => n * d, 1);
    return new Uint8Array(Float32Array.from({ length: size }, values).buffer);
  });
  return file;
}

function textOf({ accumulate, lossScale }: Required<Omit<TinyGraph, "poison">>): string {
  const state = (name: string, suffixes: readonly string[]): string[] =>
    suffixes.map((suffix) => `float[${(shapes[name] ?? []).join()}] "${name}${suffix}"`);
  const names = Object.keys(shapes);
  const moments = ["", ".exp_avg", ".exp_avg_sq", ...(accumulate ? [".grad_sum"] : [])];
  const updated = moments.map((suffix) => `${suffix}.updated`);
  const inputs = [
    ...["input_ids", "attention_mask", "labels"].map((name) => `int64[batch,sequence] ${name}`),
    ...["float learning_rate", "int64 step"],
    ...["beta1", "beta2", "epsilon", "weight_decay", "max_grad_norm"].map((name) => `float ${name}`),
    ...(lossScale ? ["float loss_scale"] : []),
    ...(accumulate ? ["int64 tokens_sum", "bool update"] : []),
    ...names.flatMap((name) => state(name, moments)),
  ];
  const outputs = [
    ...["float loss", "int64 tokens", "float grad_norm"],
    ...(accumulate ? [`int64 "tokens_sum.updated"`] : []),
    ...names.flatMap((name) => state(name, updated)),
  ];
  return `<ir_version: 10, opset_import: ["" : 20]>
step (${inputs.join(", ")}) => (${outputs.join(", ")})
<
  float beta1 = {0.9}, float beta2 = {0.999}, float epsilon = {0.00000001}, float weight_decay = {0.01}, float max_grad_norm = {1},
  float[${V},${D}] embed = ["location": "weights.data", "offset": "0", "length": "${V * D * 4}"],
  float[${D},${V}] head = ["location": "weights.data", "offset": "${V * D * 4}", "length": "${V * D * 4}"],
  int64[1] zero = {0}, int64[1] one = {1}, int64[1] minus_one = {-1}, int64[1] far = {1000000}, int64 ignored = {-100}, int64 none = {0},
  float unit = {1}, float nothing = {0}, float tiny = {0.000001}, int64[1] depth = {${V}}, float[2] off_on = {0, 1},
  int64[2] flat_d = {-1, ${D}}, int64[2] flat_r = {-1, ${R}}
>
{
${forward}
${backward(accumulate, lossScale)}
${names.map((name, i) => adamw(name, i, { accumulate, lossScale })).join("\n")}
}`;
}

const forward = `
  ids = Slice (input_ids, zero, minus_one, one)
  y = Slice (labels, one, far, one)
  is_ignored = Equal (y, ignored)
  valid = Not (is_ignored)
  target = Where (valid, y, none)
  weight = Cast <to = 1> (valid)
  counted = Cast <to = 7> (valid)
  tokens = ReduceSum <keepdims = 0> (counted)
  tokens_float = Cast <to = 1> (tokens)
  count = Max (tokens_float, unit)
  h0 = Gather (embed, ids)
  h = Mul (h0, "${G}")
  at = Transpose ("${A}")
  bt = Transpose ("${B}")
  z = MatMul (h, at)
  added = MatMul (z, bt)
  u = Add (h, added)
  logits = MatMul (u, head)
  log_p = LogSoftmax <axis = -1> (logits)
  place = Unsqueeze (target, minus_one)
  picked = GatherElements <axis = -1> (log_p, place)
  flat_picked = Squeeze (picked, minus_one)
  negative = Neg (flat_picked)
  kept = Mul (negative, weight)
  total = ReduceSum <keepdims = 0> (kept)
  loss = Div (total, count)`;

function backward(accumulate: boolean, lossScale: boolean): string {
  return `
  p = Exp (log_p)
  wanted = OneHot <axis = -1> (target, depth, off_on)
  wrong = Sub (p, wanted)
  share = ${accumulate ? "Identity (weight)" : "Div (weight, count)"}
  wide_share = Unsqueeze (share, minus_one)
  d_logits = Mul (wrong, wide_share)
  head_t = Transpose (head)
  du = MatMul (d_logits, head_t)
  du2 = Reshape (du, flat_d)
  z2 = Reshape (z, flat_r)
  h2 = Reshape (h, flat_d)
  h02 = Reshape (h0, flat_d)
  du2_t = Transpose (du2)
  raw_1 = MatMul (du2_t, z2)
  dz2 = MatMul (du2, "${B}")
  dz2_t = Transpose (dz2)
  raw_0 = MatMul (dz2_t, h2)
  through = MatMul (dz2, "${A}")
  dh2 = Add (du2, through)
  dh0 = Mul (dh2, h02)
  raw_2 = ReduceSum <keepdims = 0> (dh0, zero)
  ${[0, 1, 2].map((i) => summed(i, accumulate, lossScale)).join("\n  ")}
  ${accumulate ? "tokens_so_far = Add (tokens_sum, tokens)\n  so_far_float = Cast <to = 1> (tokens_so_far)\n  all_tokens = Max (so_far_float, unit)" : "all_tokens = Identity (unit)"}
  ${accumulate ? `"tokens_sum.updated" = Where (update, none, tokens_so_far)` : ""}
  ${[0, 1, 2].map((i) => `mean_${i} = Div (sum_${i}, all_tokens)\n  square_${i} = ReduceSumSquare <keepdims = 0> (mean_${i})`).join("\n  ")}
  squares = Sum (square_0, square_1, square_2)
  grad_norm = Sqrt (squares)
  safe_norm = Add (grad_norm, tiny)
  ratio = Div (max_grad_norm, safe_norm)
  at_most_one = Min (ratio, unit)
  clips = Greater (max_grad_norm, nothing)
  factor = Where (clips, at_most_one, unit)
  difference = Sub (grad_norm, grad_norm)
  is_finite = Equal (difference, nothing)
  t = Cast <to = 1> (step)
  power1 = Pow (beta1, t)
  power2 = Pow (beta2, t)
  bias1 = Sub (unit, power1)
  bias2 = Sub (unit, power2)
  rest1 = Sub (unit, beta1)
  rest2 = Sub (unit, beta2)
  decay_rate = Mul (learning_rate, weight_decay)
  keep_rate = Sub (unit, decay_rate)`;
}

function summed(i: number, accumulate: boolean, lossScale: boolean): string {
  const name = Object.keys(shapes)[i] ?? "";
  const scaled = lossScale
    ? `scaled_${i} = Mul (raw_${i}, loss_scale)\n  half_${i} = Cast <to = 10> (scaled_${i})\n  float_${i} = Cast <to = 1> (half_${i})\n  d_${i} = Div (float_${i}, loss_scale)`
    : `d_${i} = Identity (raw_${i})`;
  return `${scaled}\n  sum_${i} = ${accumulate ? `Add (d_${i}, "${name}.grad_sum")` : `Identity (d_${i})`}`;
}

function adamw(
  name: string,
  i: number,
  { accumulate, lossScale }: Required<Omit<TinyGraph, "poison">>,
): string {
  const results: readonly (readonly [string, string, string])[] = [
    [`${name}.updated`, name, `new_${i}`],
    [`${name}.exp_avg.updated`, `${name}.exp_avg`, `m_${i}`],
    [`${name}.exp_avg_sq.updated`, `${name}.exp_avg_sq`, `v_${i}`],
  ];
  const guard = lossScale ? "is_finite" : "clips_or_not";
  const condition = accumulate ? `    go_${i} = And (update, ${guard})` : `    go_${i} = Identity (${guard})`;
  return `
    ${lossScale ? "" : i === 0 ? "not_clips = Not (clips)\n    clips_or_not = Or (clips, not_clips)" : ""}
    g_${i} = Mul (mean_${i}, factor)
    m_old_${i} = Mul ("${name}.exp_avg", beta1)
    m_new_${i} = Mul (g_${i}, rest1)
    m_${i} = Add (m_old_${i}, m_new_${i})
    g2_${i} = Mul (g_${i}, g_${i})
    v_old_${i} = Mul ("${name}.exp_avg_sq", beta2)
    v_new_${i} = Mul (g2_${i}, rest2)
    v_${i} = Add (v_old_${i}, v_new_${i})
    mh_${i} = Div (m_${i}, bias1)
    vh_${i} = Div (v_${i}, bias2)
    root_${i} = Sqrt (vh_${i})
    below_${i} = Add (root_${i}, epsilon)
    quotient_${i} = Div (mh_${i}, below_${i})
    move_${i} = Mul (quotient_${i}, learning_rate)
    decayed_${i} = Mul ("${name}", ${name === G ? "unit" : "keep_rate"})
    new_${i} = Sub (decayed_${i}, move_${i})
${condition}
    ${results.map(([output, old, now]) => `"${output}" = Where (go_${i}, ${now}, "${old}")`).join("\n    ")}
    ${accumulate ? `zeros_${i} = Mul (sum_${i}, nothing)\n    "${name}.grad_sum.updated" = Where (update, zeros_${i}, sum_${i})` : ""}`;
}
