/** How a made-up layer of attention turns queries and keys. */
export interface CountedForm {
  readonly width: number;
  /** How many of each head's first features are turned. */
  readonly turned: number;
  /** Whether neighbours are turned together, and not halves. */
  readonly pairs?: boolean;
  /** What cosines and sines are multiplied by. */
  readonly scale?: number;
  /** Whether queries and keys pass norms before. */
  readonly norms?: boolean;
  /** Where positions come from. Default: they are counted from the past's length */
  readonly positions?: "one further" | "of the mask" | "an input";
  /** Whether keys are turned by frequencies of their own. */
  readonly ownKeys?: boolean;
  /** Whether positions take rows of constant tables. */
  readonly rows?: boolean;
  /** Whether something is done to queries behind the turning. */
  readonly isBehind?: boolean;
}

const [HIDDEN, HEADS, KV_HEADS] = [32, 2, 1] as const;

/** Positions in constant tables. */
const ROWS = 24;

/**
 * A layer of attention over a padding mask and a cache, in ONNX's textual syntax: positions are counted from the past, and
 * all is plain ops.
 */
export function countedGraph(form: CountedForm): string {
  const { width, turned } = form;
  const half = turned / 2;
  const [q, kv] = [HEADS * width, KV_HEADS * width];
  const frequencies = Array.from({ length: half }, (_, i) => (0.7 ** i).toFixed(6));
  const given = form.positions === "an input" ? ", int64[B,S] position_ids" : "";
  return `<ir_version: 10, opset_import: ["" : 23]>
decoder (float[B,S,${HIDDEN}] x, int64[B,T] attention_mask${given}, float[B,${KV_HEADS},P,${width}] past_key, float[B,${KV_HEADS},P,${width}] past_value) => (float[B,S,${HIDDEN}] y, float[B,${KV_HEADS},T,${width}] key, float[B,${KV_HEADS},T,${width}] value)
<
  int64[4] q_shape = {0, 0, ${HEADS}, ${width}},
  int64[4] kv_shape = {0, 0, ${KV_HEADS}, ${width}},
  int64[3] flat = {0, 0, ${q}},
  int64[4] q_pairs = {0, ${HEADS}, 0, ${turned}},
  int64[4] k_pairs = {0, ${KV_HEADS}, 0, ${turned}},
  int64[4] twice = {1, 1, 1, 2},
  int64[3] in_row = {0, 0, ${turned}},
  float root = {${String(1 / Math.sqrt(width))}},
  float factor = {${String(form.scale ?? 1)}},
  float lowest = {-3.4028235e38},
  float tenth = {0.1},
  int64 none = {0},
  int64 single = {1},
  int64[1] zero = {0},
  int64[1] one = {1},
  int64[1] two = {2},
  int64[2] one_two = {1, 2},
  int64[1] four = {4},
  int64[1] last = {-1},
  int64[1] half = {${half}},
  int64[1] turned = {${turned}},
  int64[1] end = {9223372036854775807},
  float[${half}] frequencies = {${frequencies.join(", ")}},
  float[${half}] others = {${frequencies.map((one) => String(Number(one) / 2)).join(", ")}},
  float[${ROWS},${half}] cos_table = {${tableOf(Math.cos, frequencies)}},
  float[${ROWS},${half}] sin_table = {${tableOf(Math.sin, frequencies)}},
  float[${width}] norm = ["location": "norm"],
  float[${HIDDEN},${q}] wq = ["location": "wq"],
  float[${HIDDEN},${kv}] wk = ["location": "wk"],
  float[${HIDDEN},${kv}] wv = ["location": "wv"],
  float[${q},${HIDDEN}] wo = ["location": "wo"]
>
{
  steps_1 = Shape <start = 1, end = 2> (x)
  past_1 = Shape <start = 2, end = 3> (past_key)
  steps = Squeeze (steps_1)
  past = Squeeze (past_1)
  total = Add (past, steps)
  new = Range (none, steps, single)
  places = Add (new, past)
  row = Unsqueeze (places, one)
  column = Range (none, total, single)
  causal = LessOrEqual (column, row)
  is_token = Cast <to = 9> (attention_mask)
  padding = Unsqueeze (is_token, one_two)
  seen = And (causal, padding)
${positionsOf(form)}
${tables("q", "frequencies", form)}
${tables("k", form.ownKeys === true ? "others" : "frequencies", form)}
  q = MatMul (x, wq)
  k = MatMul (x, wk)
  v = MatMul (x, wv)
${headsOf("q", "q_shape", form)}
${headsOf("k", "kv_shape", form)}
  v_split = Reshape (v, kv_shape)
  v_heads = Transpose <perm = [0, 2, 1, 3]> (v_split)
${turning("q", form)}
${turning("k", form)}
  q_behind = ${form.isBehind === true ? "Add (q_turned, tenth)" : "Identity (q_turned)"}
  key = Concat <axis = 2> (past_key, k_turned)
  value = Concat <axis = 2> (past_value, v_heads)
  key_columns = Transpose <perm = [0, 1, 3, 2]> (key)
  scores = MatMul (${form.isBehind === true ? "q_behind" : "q_turned"}, key_columns)
  scaled = Mul (scores, root)
  masked = Where (seen, scaled, lowest)
  probabilities = Softmax <axis = -1> (masked)
  heads = MatMul (probabilities, value)
  back = Transpose <perm = [0, 2, 1, 3]> (heads)
  joined = Reshape (back, flat)
  y = MatMul (joined, wo)
}
`;
}

/** `[1 or B, S]` */
function positionsOf({ positions }: CountedForm): string {
  if (positions === "an input") return "  positions = Identity (position_ids)";
  if (positions === "one further")
    return "  further = Add (places, single)\n  positions = Unsqueeze (further, zero)";
  if (positions === undefined) return "  positions = Unsqueeze (places, zero)";
  return `  counted = CumSum (attention_mask, single)
  from_zero = Sub (counted, single)
  steps_back = Neg (steps_1)
  positions = Slice (from_zero, steps_back, end, one)`;
}

/** `[1 or B, 1, S, turned]` */
function tables(of: string, frequencies: string, form: CountedForm): string {
  const taken = `  ${of}_cos_rows = Gather <axis = 0> (cos_table, positions)
  ${of}_sin_rows = Gather <axis = 0> (sin_table, positions)
  ${of}_cos_all = Concat <axis = -1> (${of}_cos_rows, ${of}_cos_rows)
  ${of}_sin_all = Concat <axis = -1> (${of}_sin_rows, ${of}_sin_rows)`;
  const both =
    form.pairs === true
      ? `  ${of}_columns = Unsqueeze (${of}_angles, last)
  ${of}_twice = Expand (${of}_columns, twice)
  ${of}_both = Reshape (${of}_twice, in_row)`
      : `  ${of}_both = Concat <axis = -1> (${of}_angles, ${of}_angles)`;
  const computed = `  ${of}_numbers = Cast <to = 1> (positions)
  ${of}_column = Unsqueeze (${of}_numbers, two)
  ${of}_angles = Mul (${of}_column, ${frequencies})
${both}
  ${of}_cos_all = Cos (${of}_both)
  ${of}_sin_all = Sin (${of}_both)`;
  return `${form.rows === true ? taken : computed}
  ${of}_cos_scaled = Mul (${of}_cos_all, factor)
  ${of}_sin_scaled = Mul (${of}_sin_all, factor)
  ${of}_cos = Unsqueeze (${of}_cos_scaled, one)
  ${of}_sin = Unsqueeze (${of}_sin_scaled, one)`;
}

/** `[B, heads, S, width]` */
function headsOf(of: string, shape: string, { norms }: CountedForm): string {
  const norm =
    norms === true
      ? `  ${of}_normed = RMSNormalization <axis = -1> (${of}_split, norm)`
      : `  ${of}_normed = Identity (${of}_split)`;
  return `  ${of}_split = Reshape (${of}, ${shape})
${norms === true ? norm : ""}
  ${of}_heads = Transpose <perm = [0, 2, 1, 3]> (${of}_${norms === true ? "normed" : "split"})`;
}

function turning(of: string, { width, turned, pairs }: CountedForm): string {
  const isPart = turned < width;
  const own = isPart ? `${of}_front` : `${of}_heads`;
  const swapped =
    pairs === true
      ? `  ${of}_first = Slice (${own}, zero, end, last, two)
  ${of}_second = Slice (${own}, one, end, last, two)
  ${of}_minus = Neg (${of}_second)
  ${of}_a = Unsqueeze (${of}_minus, four)
  ${of}_b = Unsqueeze (${of}_first, four)
  ${of}_stack = Concat <axis = -1> (${of}_a, ${of}_b)
  ${of}_swapped = Reshape (${of}_stack, ${of}_pairs)`
      : `  ${of}_first = Slice (${own}, zero, half, last, one)
  ${of}_second = Slice (${own}, half, end, last, one)
  ${of}_minus = Neg (${of}_second)
  ${of}_swapped = Concat <axis = -1> (${of}_minus, ${of}_first)`;
  const cut = `  ${of}_front = Slice (${of}_heads, zero, turned, last, one)
  ${of}_behind_it = Slice (${of}_heads, turned, end, last, one)
`;
  const sum = isPart ? `${of}_part` : `${of}_turned`;
  return `${isPart ? cut : ""}${swapped}
  ${of}_straight = Mul (${own}, ${of}_cos)
  ${of}_across = Mul (${of}_swapped, ${of}_sin)
  ${sum} = Add (${of}_straight, ${of}_across)
${isPart ? `  ${of}_turned = Concat <axis = -1> (${of}_part, ${of}_behind_it)` : ""}`;
}

/** A row for each position. */
function tableOf(of: (angle: number) => number, frequencies: readonly string[]): string {
  return Array.from({ length: ROWS }, (_, position) =>
    frequencies.map((one) => of(position * Number(one)).toFixed(7)).join(", "),
  ).join(", ");
}
