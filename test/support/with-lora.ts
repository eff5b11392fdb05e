import { toBfloat, toHalf } from "../../compiler/ir/scalar.ts";
import { nodeOf, node, type ModelMessage } from "./tiny-decoder.ts";

const types = { float: 1, float16: 10, bfloat16: 16 } as const;

/** How LoRA is written out beside a projection. */
export interface LoraInGraph {
  readonly rank: number;
  /** A constant factor; left out for one that is in B already. */
  readonly scale?: number;
  /** As MatMuls read them, or as PEFT has them with a Transpose in front. */
  readonly stored?: "in-first" | "out-first";
  /** Type in which A and B are stored; the graph casts them to float. */
  readonly dtype?: keyof typeof types;
  /** Makes A and B inputs, with what is stored as their defaults. */
  readonly overridable?: boolean;
  readonly seed?: number;
}

/**
 * Adds LoRA to the product that makes a value, as an exporter writes it: `y = p + scale · (x A) B`. Whoever read the
 * product reads the sum.
 */
export function addLora(
  model: ModelMessage,
  output: string,
  widths: readonly [inFeatures: number, outFeatures: number],
  { rank, scale, stored = "in-first", dtype = "float", overridable = false, seed = 1 }: LoraInGraph,
): void {
  const { graph } = model;
  const product = nodeOf(model, output);
  const at = graph?.node?.indexOf(product) ?? -1;
  const name = `${output}.lora${seed}`;
  product.output = [`${name}.product`];
  const factor = (part: "A" | "B", rows: number, columns: number): string => {
    const matrix = `${name}.${part}`;
    const isTurned = stored === "out-first";
    const dims = isTurned ? [columns, rows] : [rows, columns];
    const rawData = encoded(dims, seed + (part === "A" ? 0 : 0.5), dtype);
    graph?.initializer?.push({ name: matrix, dims, dataType: types[dtype], rawData });
    if (overridable) {
      const dim = dims.map((dimValue) => ({ dimValue }));
      graph?.input?.push({ name: matrix, type: { tensorType: { elemType: types[dtype], shape: { dim } } } });
    }
    let read = matrix;
    const put = (op: string, attributes: Readonly<Record<string, number | number[]>>): void => {
      added.push(node(op, [read], `${read}.${op}`, attributes));
      read = `${read}.${op}`;
    };
    if (dtype !== "float") put("Cast", { to: types.float });
    if (isTurned) put("Transpose", { perm: [1, 0] });
    return read;
  };
  const added: NonNullable<NonNullable<ModelMessage["graph"]>["node"]> = [];
  const [a, b] = [factor("A", widths[0], rank), factor("B", rank, widths[1])];
  added.push(node("MatMul", [product.input?.[0] ?? "", a], `${name}.low`));
  added.push(node("MatMul", [`${name}.low`, b], `${name}.high`));
  if (scale !== undefined) {
    graph?.initializer?.push({ name: `${name}.scale`, dims: [], dataType: types.float, floatData: [scale] });
    added.push(node("Mul", [`${name}.high`, `${name}.scale`], `${name}.scaled`));
  }
  const last = scale === undefined ? `${name}.high` : `${name}.scaled`;
  added.push(node("Add", [`${name}.product`, last], output));
  graph?.node?.splice(at + 1, 0, ...added);
}

function encoded(dims: readonly number[], seed: number, dtype: keyof typeof types): Uint8Array {
  const count = dims.reduce((n, d) => n * d, 1);
  const numbers = Array.from({ length: count }, (_, i) => Math.sin(seed * 17 + i * 1.7) / 2);
  if (dtype === "float") return new Uint8Array(Float32Array.from(numbers).buffer);
  return new Uint8Array(Uint16Array.from(numbers, dtype === "float16" ? toHalf : toBfloat).buffer);
}
