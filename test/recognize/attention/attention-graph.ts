import type { Attention } from "../../../compiler/recognize/attention/attention.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { isMiss, type Miss } from "../../../compiler/recognize/miss.ts";
import { modelOf } from "../graphs.ts";

/** The steps of attention that the tests replace one at a time; 4 heads of 2, 2 heads of keys and values. */
const steps = {
  project: "q = MatMul (x, wq) k = MatMul (x, wk) v = MatMul (x, wv)",
  split: `qs = Reshape (q, split_q) q4 = Transpose <perm = [0, 2, 1, 3]> (qs)
    ks = Reshape (k, split_kv) k4 = Transpose <perm = [0, 2, 1, 3]> (ks)
    vs = Reshape (v, split_kv) v4 = Transpose <perm = [0, 2, 1, 3]> (vs)`,
  rotate: "qr = Identity (q4) kr = Identity (k4)",
  join: "kj = Identity (kr) vj = Identity (v4)",
  repeat: `kg = Unsqueeze (kj, two) ke = Expand (kg, repeated) kh = Reshape (ke, all_heads)
    vg = Unsqueeze (vj, two) ve = Expand (vg, repeated) vh = Reshape (ve, all_heads)`,
  scores: "kt = Transpose <perm = [0, 1, 3, 2]> (kh) scores = MatMul (qr, kt)",
  scale: "scaled = Mul (scores, scale)",
  mask: "masked = Add (scaled, mask)",
  softmax: "p = Softmax <axis = -1> (masked)",
  guard: "pg = Identity (p)",
  context: "c = MatMul (pg, vh) ct = Transpose <perm = [0, 2, 1, 3]> (c) cf = Reshape (ct, flat)",
  output: "o = MatMul (cf, wo)",
  residual: "y = Add (x, o)",
};

/** None of the steps between projections and context: what stands for attention then is one op. */
export const asOneOp = {
  split: "",
  rotate: "",
  join: "",
  repeat: "",
  scores: "",
  scale: "",
  mask: "",
  softmax: "",
  guard: "",
};

export type Steps = Partial<typeof steps> & {
  readonly inputs?: string;
  readonly weights?: string;
  readonly outputs?: string;
  readonly functions?: string;
};

const weights = `float[8,8] wq = ["location": "q"], float[8,4] wk = ["location": "k"], float[8,4] wv = ["location": "v"],
  float[8,8] wo = ["location": "o"], int64[4] split_q = {0, 0, 4, 2}, int64[4] split_kv = {0, 0, 2, 2},
  int64[3] flat = {0, 0, 8}, int64[1] two = {2}, int64[5] repeated = {2, 2, 2, 3, 2}, int64[4] all_heads = {2, 4, 3, 2},
  float scale = {0.5}, float root = {2.0}, float zero = {0.0}, float hidden = {-1e4}`;

/** The model of attention with some steps written in another way. */
export function attentionModel({
  inputs = "",
  weights: more = "",
  outputs = "y",
  functions = "",
  ...other
}: Steps) {
  const nodes = Object.values({ ...steps, ...other }).join("\n");
  return modelOf({
    inputs: `float[B,S,8] x, float[B,1,S,S] mask, bool[B,1,S,S] seen${inputs === "" ? "" : `, ${inputs}`}`,
    weights: `${weights}${more === "" ? "" : `, ${more}`}`,
    nodes,
    outputs,
    functions,
  });
}

/** What is seen of attention in such a model; null when nothing is. */
export function attentionOf(steps: Steps): Attention | Miss | null {
  const [seen] = viewDecoder(attentionModel(steps)).seen.filter(({ block }) => block === "attention");
  return seen === undefined || "site" in seen.answer ? null : (seen.answer as Attention | Miss);
}

/** The attention that must be understood. @throws Error with the reason why it was not */
export function understood(steps: Steps): Attention {
  const answer = attentionOf(steps);
  if (answer === null) throw new Error("no attention was seen");
  if (isMiss(answer)) throw new Error(`${answer.code}: wanted ${answer.want}, got ${answer.got}`);
  return answer;
}
