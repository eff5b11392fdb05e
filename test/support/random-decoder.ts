import { random, type Random } from "../../runtime/session/random.ts";

/** A node as text, with the names it makes and reads. */
interface Line {
  readonly text: string;
  readonly makes: string;
  readonly reads: readonly string[];
}

/** A decoder of random layers: blocks written in several ways, values read where they should not be, any order. */
export interface RandomDecoder {
  readonly text: string;
  readonly layers: number;
}

const shared = `  int64[4] heads = {0, 0, 2, 4},
  int64[3] flat = {0, 0, 8},
  int64[3] thirds = {8, 8, 8},
  float half = {0.5},
  float two = {2.0}`;

/** The decoder of a seed, in ONNX's textual syntax. */
export function randomDecoder(seed: number): RandomDecoder {
  const dice = random(seed, "decoder");
  const layers = 1 + dice.below(3);
  const lines: Line[] = [];
  const weights: string[] = [];
  const outputs: string[] = [];
  for (let i = 0; i < layers; i++) new Layer(dice, i, lines, weights, outputs).write();
  const types = [`float[B,S,8] x${layers}`, ...outputs.map((name) => `float[] ${name}`)];
  const text = `<ir_version: 10, opset_import: ["" : 21]>
decoder (float[B,S,8] x0, float[B,1,S,S] mask) => (${types.join(", ")})
<
${[...weights, shared].join(",\n")}
>
{
${shuffled(lines, dice)
  .map(({ text: line }) => `  ${line}`)
  .join("\n")}
}
`;
  return { text, layers };
}

class Layer {
  readonly #dice: Random;
  readonly #i: number;
  readonly #lines: Line[];
  readonly #weights: string[];
  readonly #outputs: string[];

  constructor(dice: Random, i: number, lines: Line[], weights: string[], outputs: string[]) {
    this.#dice = dice;
    this.#i = i;
    this.#lines = lines;
    this.#weights = weights;
    this.#outputs = outputs;
  }

  write(): void {
    const x = `x${this.#i}`;
    const middle = this.#node("Add", [x, this.#attention(this.#node("Neg", [x]))]);
    this.#node("Add", [middle, this.#mlp(this.#node("Neg", [middle]))], "", `x${this.#i + 1}`);
  }

  #attention(x: string): string {
    const [q, k, v] = this.#flips()
      ? this.#packed(x)
      : [this.#linear(x, 8, 8), this.#linear(x, 8, 8), this.#linear(x, 8, 8)];
    const split = (value: string, perm: string): string =>
      this.#node("Transpose", [this.#node("Reshape", [value, "heads"])], ` <perm = [${perm}]>`);
    const scores = this.#node("MatMul", [split(q, "0, 2, 1, 3"), split(k, "0, 2, 3, 1")]);
    const scaled = this.#flips() ? this.#node("Mul", [scores, "half"]) : this.#node("Div", [scores, "two"]);
    const masked = this.#flips() ? this.#node("Add", [scaled, "mask"]) : scaled;
    const probabilities = this.#node("Softmax", [masked], " <axis = -1>");
    const context = this.#node("MatMul", [probabilities, split(v, "0, 2, 1, 3")]);
    const turned = this.#node("Transpose", [context], " <perm = [0, 2, 1, 3]>");
    this.#probe(this.#flips() ? probabilities : scores);
    return this.#linear(this.#node("Reshape", [turned, "flat"]), 8, 8);
  }

  #packed(x: string): readonly [string, string, string] {
    const name = `n${this.#lines.length}`;
    const [q, k, v] = [`${name}q`, `${name}k`, `${name}v`];
    const reads = [this.#linear(x, 8, 24), "thirds"];
    this.#lines.push({
      text: `${q}, ${k}, ${v} = Split <axis = -1> (${reads.join(", ")})`,
      makes: `${q} ${k} ${v}`,
      reads,
    });
    return [q, k, v];
  }

  #mlp(x: string): string {
    const up = this.#linear(x, 8, 12);
    if (this.#flips()) return this.#linear(this.#node("Relu", [up]), 12, 8);
    const gate = this.#linear(x, 8, 12);
    const product = this.#node("Mul", [this.#node("Mul", [gate, this.#node("Sigmoid", [gate])]), up]);
    this.#probe(product);
    return this.#linear(product, 12, 8);
  }

  #linear(x: string, from: number, to: number): string {
    const weight = `w${this.#lines.length}`;
    const turned = this.#flips();
    this.#weights.push(
      `  float[${turned ? `${to},${from}` : `${from},${to}`}] ${weight} = ["location": "${weight}"]`,
    );
    return this.#node("MatMul", [x, turned ? this.#node("Transpose", [weight], " <perm = [1, 0]>") : weight]);
  }

  /** Now and then something outside reads a value, and something else what it makes of it. */
  #probe(value: string): void {
    if (this.#flips()) return;
    const seen = this.#node("Abs", [value]);
    this.#outputs.push(this.#flips() ? seen : this.#node("ReduceMax", [seen], " <keepdims = 0>"));
  }

  #node(op: string, reads: readonly string[], attributes = "", makes = `n${this.#lines.length}`): string {
    this.#lines.push({ text: `${makes} = ${op}${attributes} (${reads.join(", ")})`, makes, reads });
    return makes;
  }

  #flips(): boolean {
    return this.#dice.below(2) === 0;
  }
}

/** The nodes in another order in which each is behind what it reads. */
function shuffled(lines: readonly Line[], dice: Random): Line[] {
  const waiting = new Set(lines.flatMap(({ makes }) => makes.split(" ")));
  const left = [...lines];
  const order: Line[] = [];
  while (left.length > 0) {
    const ready = left.filter(({ reads }) => reads.every((name) => !waiting.has(name)));
    const next = ready[dice.below(ready.length)];
    if (next === undefined) throw new Error("nodes read each other");
    left.splice(left.indexOf(next), 1);
    order.push(next);
    for (const name of next.makes.split(" ")) waiting.delete(name);
  }
  return order;
}
