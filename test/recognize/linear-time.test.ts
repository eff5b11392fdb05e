import { describe, expect, it } from "@jest/globals";
import { Node } from "../../compiler/ir/node.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { modelOf } from "./graphs.ts";

/** A chain of ops of one operand from `from`: its nodes, and what it ends in. */
function chain(op: string, from: string, count: number): readonly [nodes: string, last: string] {
  const nodes = Array.from(
    { length: count },
    (_, i) => `${op}${from}${i} = ${op} (${i === 0 ? from : `${op}${from}${i - 1}`})`,
  );
  return [nodes.join("\n"), `${op}${from}${count - 1}`];
}

/** A chain in which each node reads the one before twice. */
function doubling(from: string, count: number): readonly [nodes: string, last: string] {
  const nodes = Array.from({ length: count }, (_, i) => {
    const before = i === 0 ? from : `t${from}${i - 1}`;
    return `t${from}${i} = Add (${before}, ${before})`;
  });
  return [nodes.join("\n"), `t${from}${count - 1}`];
}

const weights = `float[8,12] up = ["location": "u"], float[12,8] down = ["location": "d"], float[8,8] square = ["location": "s"]`;

const mlpBehind = ([nodes, last]: readonly [string, string]): string =>
  `h = MatMul (x, up) r = Relu (h) ${nodes} d = MatMul (${last}, down) y = Add (x, d)`;

const weightBehind = ([nodes, last]: readonly [string, string]): string =>
  `${nodes} h = MatMul (x, ${last}) r = Relu (h) d = MatMul (r, down) y = Add (x, d)`;

function attentionWith(count: number): string {
  const [q, query] = chain("Identity", "q", count);
  const [p, probabilities] = chain("Identity", "p", count);
  const [c, context] = chain("Identity", "c", count);
  return `q = MatMul (x, square) k = MatMul (x, square) v = MatMul (x, square) ${q} kt = Transpose <perm = [0, 2, 1]> (k)
    s = MatMul (${query}, kt) p = Softmax (s) ${p} c = MatMul (${probabilities}, v) ${c} o = MatMul (${context}, square)
    y = Add (x, o)`;
}

/** Two chains of one op, each node of which reads both. */
function braid(op: string, from: string, count: number): readonly [nodes: string, last: string] {
  const before = (name: string, i: number): string => (i === 0 ? from : `${name}${from}${i - 1}`);
  const nodes = Array.from(
    { length: count },
    (_, i) => `a${from}${i} = ${op} (${before("a", i)}, ${before("b", i)})
      b${from}${i} = ${op} (${before("b", i)}, ${before("a", i)})`,
  );
  return [nodes.join("\n"), `a${from}${count - 1}`];
}

/** Attention whose probabilities go through what may guard them. */
function guardedBy([nodes, last]: readonly [string, string]): string {
  return `q = MatMul (x, square) k = MatMul (x, square) v = MatMul (x, square)
    kt = Transpose <perm = [0, 2, 1]> (k) s = MatMul (q, kt) p = Softmax (s) ${nodes} c = MatMul (${last}, v)
    o = MatMul (c, square) y = Add (x, o)`;
}

function layers(count: number, layer: (x: string, i: number) => string): string {
  const nodes = Array.from({ length: count }, (_, i) => layer(i === 0 ? "x" : `y${i - 1}`, i));
  return `${nodes.join("\n")} y = Identity (y${count - 1})`;
}

const graphs: readonly (readonly [string, (count: number) => string])[] = [
  ["Identities in an MLP", (n) => mlpBehind(chain("Identity", "r", n))],
  ["arithmetic in an MLP", (n) => mlpBehind(chain("Neg", "r", n))],
  ["sums that double in an MLP", (n) => mlpBehind(doubling("r", n))],
  ["Identities in front of a weight", (n) => weightBehind(chain("Identity", "up", n))],
  ["sums that double in front of a weight", (n) => weightBehind(doubling("up", n))],
  ["Identities in attention", attentionWith],
  [
    "guards that read the probabilities twice",
    (n) =>
      guardedBy(
        chain("Where", "p", n).map((text) => text.replaceAll(/Where \((\w+)\)/g, "Where ($1, $1, $1)")) as [
          string,
          string,
        ],
      ),
  ],
  ["guards in a braid", (n) => guardedBy(braid("Expand", "p", n / 2))],
  [
    "a Softmax at each sum of a stream",
    (n) => layers(n, (x, i) => `y${i} = Add (${x}, x) s${i} = Softmax (y${i})`),
  ],
  [
    "MLPs",
    (n) =>
      layers(
        n,
        (x, i) =>
          `h${i} = MatMul (${x}, up) r${i} = Relu (h${i}) d${i} = MatMul (r${i}, down) y${i} = Add (${x}, d${i})`,
      ),
  ],
  [
    "attention blocks",
    (n) =>
      layers(
        n,
        (x, i) => `q${i} = MatMul (${x}, square) k${i} = MatMul (${x}, square)
    v${i} = MatMul (${x}, square) t${i} = Transpose <perm = [0, 2, 1]> (k${i}) s${i} = MatMul (q${i}, t${i}) p${i} = Softmax (s${i})
    c${i} = MatMul (p${i}, v${i}) o${i} = MatMul (c${i}, square) y${i} = Add (${x}, o${i})`,
      ),
  ],
];

const original = Object.getOwnPropertyDescriptor(Node.prototype, "op") ?? {};

/** How often recognition asks a node which op it is. */
function steps(nodes: string): number {
  const model = modelOf({ inputs: "float[B,S,8] x", weights, nodes });
  let count = 0;
  const get: unknown = Reflect.get(original, "get");
  if (typeof get !== "function") throw new Error("op is no getter");
  Object.defineProperty(Node.prototype, "op", {
    configurable: true,
    get(this: Node) {
      count++;
      return get.call(this) as string;
    },
  });
  try {
    viewDecoder(model);
  } finally {
    Object.defineProperty(Node.prototype, "op", { ...original, configurable: true });
  }
  return count;
}

describe("recognition takes twice the steps for twice the nodes", () => {
  it.each(graphs)("of %s", (_, nodes) => {
    // From some hundred nodes on the searches' own bounds hold.
    const [few, many] = [steps(nodes(600)), steps(nodes(1200))];
    expect(few).toBeGreaterThan(600);
    expect(many / few).toBeLessThan(2.3);
  });
});

describe("recognition ends, and needs no stack as deep as the graph", () => {
  it.each(graphs.slice(0, 6))("for 20,000 of %s", (_, nodes) => {
    expect(() =>
      viewDecoder(modelOf({ inputs: "float[B,S,8] x", weights, nodes: nodes(20_000) })),
    ).not.toThrow();
  });
});
