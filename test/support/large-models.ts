/** What stands in a model beside its decoder's layers, in ONNX's textual syntax. */
interface Extra {
  readonly layers?: number;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly initializers?: readonly string[];
  /** Behind the layers. */
  readonly nodes?: readonly string[];
  readonly functions?: readonly string[];
}

/** A decoder in ONNX's textual syntax. Its input is `x0`, the output of its first layer `x1`. */
function decoder(extra: Extra): string {
  const { inputs = [], outputs = [], initializers = [], nodes = [], functions = [] } = extra;
  const numbers = Array.from({ length: extra.layers ?? 1 }, (_, i) => i);
  const results = outputs.length > 0 ? outputs : [`float[B,S,8] x${numbers.length}`];
  return `<ir_version: 10, opset_import: ["" : 21, "p" : 1]>
decoder (${["float[B,S,8] x0", "float[B,1,S,S] mask", ...inputs].join(", ")}) => (${results.join(", ")})
<
${[...numbers.flatMap(weights), ...shared, ...initializers].join(",\n")}
>
{
${[...numbers.flatMap(layer), ...nodes].join("\n")}
}
${functions.join("\n")}
`;
}

const shared = [
  "int64[4] heads = {0, 0, 2, 4}",
  "int64[3] flat = {0, 0, 8}",
  "float half = {0.5}",
  "float two = {2.0}",
  "float tiny = {0.00001}",
  "int64 zero = {0}",
  "int64[1] last = {-1}",
  "bool yes = {1}",
];

function weight(name: string, shape: string): string {
  return `float[${shape}] ${name} = ["location": "w.bin"]`;
}

function weights(i: number): string[] {
  const square = ["q", "k", "v", "o"].map((name) => weight(`${name}${i}`, "8,8"));
  const norms = ["n", "m"].map((name) => weight(`${name}${i}`, "8"));
  return [
    ...square,
    ...norms,
    weight(`gate${i}`, "8,12"),
    weight(`up${i}`, "8,12"),
    weight(`down${i}`, "12,8"),
  ];
}

function norm(i: number, x: string, w: string, y: string): string[] {
  return [
    `${y}_s = Pow (${x}, two)`,
    `${y}_m = ReduceMean (${y}_s, last)`,
    `${y}_e = Add (${y}_m, tiny)`,
    `${y}_r = Sqrt (${y}_e)`,
    `${y}_d = Div (${x}, ${y}_r)`,
    `${y} = Mul (${w}${i}, ${y}_d)`,
  ];
}

function layer(i: number): string[] {
  const split = (name: string, perm: string): string[] => [
    `${name}${i}_flat = MatMul (a${i}, ${name}${i})`,
    `${name}${i}_split = Reshape (${name}${i}_flat, heads)`,
    `${name}${i}_heads = Transpose <perm = [${perm}]> (${name}${i}_split)`,
  ];
  return [
    ...norm(i, `x${i}`, "n", `a${i}`),
    ...split("q", "0, 2, 1, 3"),
    ...split("k", "0, 2, 3, 1"),
    ...split("v", "0, 2, 1, 3"),
    `products${i} = MatMul (q${i}_heads, k${i}_heads)`,
    `scaled${i} = Mul (products${i}, half)`,
    `masked${i} = Add (scaled${i}, mask)`,
    `probabilities${i} = Softmax <axis = -1> (masked${i})`,
    `context${i}_heads = MatMul (probabilities${i}, v${i}_heads)`,
    `context${i}_split = Transpose <perm = [0, 2, 1, 3]> (context${i}_heads)`,
    `context${i} = Reshape (context${i}_split, flat)`,
    `attended${i} = MatMul (context${i}, o${i})`,
    `h${i} = Add (x${i}, attended${i})`,
    ...norm(i, `h${i}`, "m", `b${i}`),
    `g${i} = MatMul (b${i}, gate${i})`,
    `s${i} = Sigmoid (g${i})`,
    `silu${i} = Mul (g${i}, s${i})`,
    `u${i} = MatMul (b${i}, up${i})`,
    `gated${i} = Mul (silu${i}, u${i})`,
    `d${i} = MatMul (gated${i}, down${i})`,
    `x${i + 1} = Add (h${i}, d${i}) # float[B,S,8]`,
  ];
}

function many(n: number, text: (i: number) => string): string[] {
  return Array.from({ length: n }, (_, i) => text(i));
}

/** A chain of nodes behind `x1`: each reads the one before it. */
function chain(n: number, node: (from: string) => string): Extra {
  return {
    nodes: many(n, (i) => `c${i + 1} = ${node(i === 0 ? "x1" : `c${i}`)}`),
    outputs: [`float[B,S,8] c${n}`],
  };
}

function chainOf(
  n: number,
  node: (i: number, x: string) => string,
  name = (i: number): string => `c${i + 1}`,
): Extra {
  return {
    nodes: many(n, (i) => `${name(i)} = ${node(i, i === 0 ? "x1" : `c${i}`)}`),
    outputs: [`float[B,S,8] c${n}`],
  };
}

function branch(name: string, node: string): string {
  return `g () => (float[B,S,8] ${name}) { ${name} = ${node} }`;
}

function iff(condition: string, i: number, inner: (name: string) => string): string {
  return `If <then_branch = ${inner(`t${i}`)}, else_branch = ${branch(`e${i}`, "Neg (x1)")}> (${condition})`;
}

/** Ifs inside each other, and nodes in the innermost. protobuf's messages may be no more than 100 deep: 33 Ifs. */
function nestedIf(condition: string, n: number, x = "x1", result = "y"): string {
  const depth = Array.from({ length: 16 }, (_, i) => i);
  const opened = depth.map((i) => `If <then_branch = g () => (float[B,S,8] t${i}) { t${i} = `);
  const closed = depth.map((i) => `}, else_branch = ${branch(`e${i}`, `Neg (${x})`)}> (${condition})`);
  const nodes = many(n, (i) => `a${i} = Abs (${i === 0 ? x : `a${i - 1}`})`).join(" ");
  const inner = `If <then_branch = g () => (float[B,S,8] a${n - 1}) { ${nodes} }, else_branch = ${branch("z", `Neg (${x})`)}> (${condition})`;
  return `${result} = ${opened.join("")}${inner}${closed.join(" ")}`;
}

function func(name: string, body: string): string {
  return `<domain: "p", opset_import: ["" : 21, "p" : 1]>\n${name} (a) => (b)\n{\n${body}\n}`;
}

const y = ["float[B,S,8] y"];

/** A mixture of experts written one by one, as TorchScript leaves a loop over them. */
function experts(n: number): Extra {
  return {
    initializers: [
      weight("router", `8,${n}`),
      "int64[2] rows = {-1, 8}",
      "int64[1] two_ids = {2}",
      "int64[1] one = {1}",
      "int64[1] first = {0}",
      ...many(n, (i) => `int64 id${i} = {${i}}`),
    ],
    nodes: [
      "tokens = Reshape (x1, rows)",
      "logits = MatMul (tokens, router)",
      "scores = Sigmoid (logits)",
      "top, ids = TopK (scores, two_ids)",
      "size = Shape (tokens)",
      "sum = ConstantOfShape <value = float[1] {0}> (size)",
      ...many(n, expert),
      "shape = Shape (x1)",
      `y = Reshape (sum${n - 1}, shape)`,
    ],
    outputs: y,
  };
}

function expert(i: number): string {
  return `hit${i}x = Equal (ids, id${i})
at${i}x = Cast <to = 9> (hit${i}x)
found${i}x = NonZero (at${i}x)
row${i}x, place${i}x = Split <axis = 0, num_outputs = 2> (found${i}x)
r${i}x = Squeeze (row${i}x, first)
own${i}x = Gather <axis = 0> (tokens, r${i}x)
gated${i}x = MatMul (own${i}x, gate0)
sigmoid${i}x = Sigmoid (gated${i}x)
silu${i}x = Mul (gated${i}x, sigmoid${i}x)
raised${i}x = MatMul (own${i}x, up0)
product${i}x = Mul (silu${i}x, raised${i}x)
lowered${i}x = MatMul (product${i}x, down0)
where${i}x = Transpose <perm = [1, 0]> (found${i}x)
weight${i}x = GatherND (top, where${i}x)
w${i}x = Unsqueeze (weight${i}x, one)
weighted${i}x = Mul (lowered${i}x, w${i}x)
to${i}x = Unsqueeze (r${i}x, one)
sum${i} = ScatterND <reduction = "add"> (sum${i === 0 ? "" : i - 1}, to${i}x, weighted${i}x)`;
}

/** Models that grow in one thing, by what it is. */
export const largeModels: Readonly<Record<string, (n: number) => string>> = {
  layers: (n) => decoder({ layers: n }),
  "Ifs beside each other, decided": (n) =>
    decoder({
      nodes: many(n, (i) => `y${i} = ${iff("yes", i, (t) => branch(t, "Abs (x1)"))}`),
      outputs: many(n, (i) => `float[B,S,8] y${i}`),
    }),
  "Ifs beside each other, by an input": (n) =>
    decoder({
      inputs: ["bool c"],
      nodes: many(n, (i) => `y${i} = ${iff("c", i, (t) => branch(t, "Abs (x1)"))}`),
      outputs: many(n, (i) => `float[B,S,8] y${i}`),
    }),
  "Ifs in a chain, decided by ranks": (n) =>
    decoder({
      nodes: many(n, (i) => {
        const x = i === 0 ? "x1" : `y${i - 1}`;
        return `h${i}s = Shape (${x})\nz${i} = Size (h${i}s)\nq${i}c = Equal (z${i}, zero)\ny${i} = If <then_branch = ${branch(`t${i}`, `Abs (${x})`)}, else_branch = ${branch(`e${i}`, `Neg (${x})`)}> (q${i}c)`;
      }),
      outputs: many(n, (i) => `float[B,S,8] y${i}`),
    }),
  "nodes inside Ifs inside each other, decided": (n) => decoder({ nodes: [nestedIf("yes", n)], outputs: y }),
  "nodes inside Ifs inside each other, by an input": (n) =>
    decoder({ inputs: ["bool c"], nodes: [nestedIf("c", n)], outputs: y }),
  "conditions in a chain": (n) =>
    decoder({
      inputs: ["bool c"],
      nodes: [
        ...many(n, (i) => `n${i} = ${i === 0 ? "Not (c)" : `And (n${i - 1}, n${i - 1})`}`),
        `y = ${iff(`n${n - 1}`, 0, (t) => branch(t, "Abs (x1)"))}`,
      ],
      outputs: y,
    }),
  "conditions in a chain, each read": (n) =>
    decoder({
      nodes: many(
        n,
        (i) =>
          `n${i} = ${i === 0 ? "Not (yes)" : `Or (n${i - 1}, n${i - 1})`}\ny${i} = ${iff(`n${i}`, i, (t) => branch(t, "Abs (x1)"))}`,
      ),
      outputs: many(n, (i) => `float[B,S,8] y${i}`),
    }),
  "outputs of one value": (n) => decoder({ outputs: many(n, () => "float[B,S,8] x1") }),
  "outputs of one node": (n) =>
    decoder({
      nodes: [`${many(n, (i) => `y${i}`).join(", ")} = Split <num_outputs = ${n}> (x1)`],
      outputs: many(n, (i) => `float[] y${i}`),
    }),
  "inputs of one node": (n) =>
    decoder({ nodes: [`y = Sum (${many(n, () => "x1").join(", ")})`], outputs: y }),
  "graph inputs": (n) =>
    decoder({
      inputs: many(n, (i) => `float[8] i${i}`),
      nodes: many(n, (i) => `y${i} = Add (${i === 0 ? "x1" : `y${i - 1}`}, i${i})`),
      outputs: [`float[B,S,8] y${n - 1}`],
    }),
  initializers: (n) =>
    decoder({
      initializers: many(n, (i) => weight(`i${i}`, "8")),
      nodes: many(n, (i) => `y${i} = Add (${i === 0 ? "x1" : `y${i - 1}`}, i${i})`),
      outputs: [`float[B,S,8] y${n - 1}`],
    }),
  "functions in a chain, inlined": (n) =>
    decoder({
      functions: many(n, (i) =>
        func(`f${i}`, i === 0 ? "c = Sigmoid (a)\nb = Mul (a, c)" : `b = p.f${i - 1} (a)`),
      ),
      nodes: [`y = p.f${n - 1} (x1)`],
      outputs: y,
    }),
  "functions beside each other, inlined": (n) =>
    decoder({
      functions: many(n, (i) => func(`f${i}`, "c = Sigmoid (a)\nb = Mul (a, c)")),
      ...chainOf(n, (i, x) => `p.f${i} (${x})`),
    }),
  "calls of one function, inlined": (n) =>
    decoder({
      functions: [func("f", "c = Sigmoid (a)\nb = Mul (a, c)")],
      ...chainOf(n, (_, x) => `p.f (${x})`),
    }),
  "functions beside each other, kept": (n) =>
    decoder({
      functions: many(n, (i) => func(`f${i}`, "b = Neg (a)")),
      ...chainOf(n, (i, x) => `p.f${i} (${x})`),
    }),
  "readers of the block's input": (n) =>
    decoder({ nodes: many(n, (i) => `y${i} = Neg (b0)`), outputs: many(n, (i) => `float[B,S,8] y${i}`) }),
  "readers of a value inside a block": (n) =>
    decoder({ nodes: many(n, (i) => `y${i} = Neg (silu0)`), outputs: many(n, (i) => `float[B,S,12] y${i}`) }),
  "linears of one input": (n) =>
    decoder({
      nodes: many(n, (i) => `y${i} = MatMul (x1, q0)`),
      outputs: many(n, (i) => `float[B,S,8] y${i}`),
    }),
  "linears in a chain": (n) => decoder(chain(n, (x) => `MatMul (${x}, q0)`)),
  "linears with biases in a chain": (n) =>
    decoder({
      ...chainOf(
        n,
        (i, x) => `MatMul (${x}, q0)\nc${i + 1} = Add (m${i}, n0)`,
        (i) => `m${i}`,
      ),
    }),
  "MLPs of one input": (n) =>
    decoder({
      nodes: many(
        n,
        (i) => `g${i}x = MatMul (x1, gate0)\nr${i}x = Relu (g${i}x)\ny${i} = MatMul (r${i}x, down0)`,
      ),
      outputs: many(n, (i) => `float[B,S,8] y${i}`),
    }),
  "activations without a linear behind": (n) =>
    decoder({
      nodes: many(n, (i) => `g${i}x = MatMul (x1, gate0)\ny${i} = Sigmoid (g${i}x)`),
      outputs: many(n, (i) => `float[B,S,12] y${i}`),
    }),
  "activations in a chain before a linear": (n) =>
    decoder({
      nodes: [
        ...many(n, (i) => `r${i}x = Sigmoid (${i === 0 ? "x1" : `r${i - 1}x`})`),
        `y = MatMul (r${n - 1}x, q0)`,
      ],
      outputs: y,
    }),
  "linears behind one activation": (n) =>
    decoder({
      nodes: ["r = Relu (u0)", ...many(n, (i) => `y${i} = MatMul (r, down0)`)],
      outputs: many(n, (i) => `float[B,S,8] y${i}`),
    }),
  "Softmaxes of no attention": (n) =>
    decoder({ nodes: many(n, (i) => `y${i} = Softmax (x1)`), outputs: many(n, (i) => `float[B,S,8] y${i}`) }),
  "Softmaxes in a chain": (n) => decoder(chain(n, (x) => `Softmax (${x})`)),
  "attention of one query": (n) =>
    decoder({
      nodes: many(
        n,
        (i) =>
          `p${i}x = Softmax (masked0)\nc${i}x = MatMul (p${i}x, v0_heads)\nt${i}x = Transpose <perm = [0, 2, 1, 3]> (c${i}x)\nf${i}x = Reshape (t${i}x, flat)\ny${i} = MatMul (f${i}x, o0)`,
      ),
      outputs: many(n, (i) => `float[B,S,8] y${i}`),
    }),
  experts: (n) => decoder(experts(n)),
  norms: (n) =>
    decoder({
      nodes: many(n, (i) => norm(0, i === 0 ? "x1" : `y${i - 1}`, "n", `y${i}`).join("\n")),
      outputs: [`float[B,S,8] y${n - 1}`],
    }),
  "sums that double": (n) => decoder(chain(n, (x) => `Add (${x}, ${x})`)),
  ...Object.fromEntries(
    ["Identity", "Sigmoid", "Reshape", "Cast", "Transpose", "Neg"].map((op) => [
      `${op} in a chain`,
      (n: number) =>
        decoder(
          chain(n, (x) =>
            op === "Reshape" ? `Reshape (${x}, flat)` : `${op}${op === "Cast" ? " <to = 1>" : ""} (${x})`,
          ),
        ),
    ]),
  ),
  // What looks behind Identities looks behind 64 at most.
  "Identities before a block": (n) =>
    decoder({
      nodes: [
        ...many(n + 64, (i) => `j${i} = Identity (${i === 0 ? "x1" : `j${i - 1}`})`),
        `g = MatMul (j${n + 63}, gate0)`,
        "r = Relu (g)",
        "y = MatMul (r, down0)",
      ],
      outputs: y,
    }),
  "constants in a chain before a weight": (n) =>
    decoder({
      nodes: [
        ...many(n, (i) => `j${i} = Neg (${i === 0 ? "gate0" : `j${i - 1}`})`),
        `g = MatMul (x1, j${n - 1})`,
        "r = Relu (g)",
        "y = MatMul (r, down0)",
      ],
      outputs: y,
    }),
  "ops inside an MLP": (n) =>
    decoder({
      nodes: [
        "g = MatMul (x1, gate0)",
        "r = Relu (g)",
        ...many(n, (i) => `k${i} = Mul (${i === 0 ? "r" : `k${i - 1}`}, half)`),
        `y = MatMul (k${n - 1}, down0)`,
      ],
      outputs: y,
    }),
  "nodes inside Ifs inside an MLP": (n) =>
    decoder({
      inputs: ["bool c"],
      nodes: ["g = MatMul (x1, gate0)", "r = Relu (g)", nestedIf("c", n, "r", "k"), "y = MatMul (k, down0)"],
      outputs: y,
    }),
};
