import { adapterKinds } from "../../../adapters/index.ts";
import { after, Builder } from "../../../ir/builder.ts";
import { isFloat, type DType } from "../../../ir/dtype.ts";
import type { Model } from "../../../ir/model.ts";
import type { Node } from "../../../ir/node.ts";
import type { Rewriter } from "../../../ir/rewriter.ts";
import { Tensor } from "../../../ir/tensor.ts";
import { asTensor, tensorType } from "../../../ir/type.ts";
import type { Value } from "../../../ir/value.ts";
import { nodesDeep } from "../../../ir/walk.ts";
import { blockKinds, stepKinds } from "../../../sites/site.ts";
import { siteName } from "../../../sites/names.ts";
import type { AdapterPart } from "../../../weights/adapter-file.ts";
import { encodeNumbers, numbersOf } from "../../../weights/convert.ts";
import { checkFinite } from "../../../weights/finite.ts";
import type { End } from "./ends.ts";
import { formulas, resultLeaf } from "./formulas.ts";

/** An adapter, and one of the things in a base that it stands beside. */
export interface Stand {
  readonly part: AdapterPart;
  readonly end: End;
}

export interface Beside {
  /** That the adapters are from. */
  readonly file: string;
  readonly stands: readonly Stand[];
}

/**
 * Writes adapters out in plain nodes beside what they stand beside: each end's readers read its sum with what the
 * adapter's formula gives, in float whatever the base computes in.
 */
export function writeBeside(model: Model, rw: Rewriter, { file, stands }: Beside): void {
  const leaves = new Leaves(model, rw, file);
  for (const stand of inOrder(model, stands)) writeOne(rw, leaves, stand);
}

/** Last first: an adapter whose input is another one's output then reads the sum, since that one's readers change later. */
function inOrder(model: Model, stands: readonly Stand[]): readonly Stand[] {
  const at = new Map<Node, number>();
  for (const node of nodesDeep(model.graph)) at.set(node, at.size);
  const place = ({ end }: Stand): number => at.get(end.node) ?? 0;
  return stands.toSorted((a, b) => place(b) - place(a) || depth(a.end) - depth(b.end));
}

/** Of ends with one output, what lies further out comes later in the data. */
function depth({ site }: End): number {
  if ((stepKinds as readonly string[]).includes(site)) return 0;
  return (blockKinds as readonly string[]).includes(site) ? 1 : 2;
}

function writeOne(rw: Rewriter, leaves: Leaves, { part, end }: Stand): void {
  const { input, output, node, columns } = end;
  const readers = new Set(output.uses);
  const b = new Builder(rw, after(node));
  const name = (hint: string): string => `${siteName(part.site)}.apart.${hint}`;
  const dtype = end.dtype === "double" ? "double" : "float";
  const typed = asTensor(input.type)?.dtype === dtype ? input : b.cast(input, dtype, name("input"));
  const x = b.reshape(typed, [-1, widthOf(part)], name("x"));
  const leaf = (one: string): Value => leaves.of(part, one, dtype, columns);
  const delta = formulas[part.kind]({ b, x, leaf, part, dtype, name });
  const shaped = b.shapedAs(delta, output, name("delta"));
  const sum = b.op("Add", [output, asOutput(b, shaped, end, dtype, name("cast"))], name("sum"));
  rw.replaceUses(output, sum, (use) => readers.has(use));
}

function asOutput(b: Builder, value: Value, { dtype, output }: End, from: DType, name: string): Value {
  if (dtype === from) return value;
  if (dtype !== null && isFloat(dtype)) return b.cast(value, dtype, name);
  return b.opset >= 15 ? b.op("CastLike", [value, output], name) : value;
}

/** How wide what an adapter reads is. */
function widthOf({ kind, leaves }: AdapterPart): number {
  const shapes = new Map([...leaves].map(([name, { shape }]) => [name, shape]));
  return adapterKinds.get(kind)?.widthOf(shapes).inFeatures ?? 0;
}

/** The leaves of adapters as initializers, one for all places of a site. */
class Leaves {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #file: string;
  readonly #made = new Map<string, Value>();

  constructor(model: Model, rw: Rewriter, file: string) {
    this.#model = model;
    this.#rw = rw;
    this.#file = file;
  }

  /** @param columns of a packed output: the leaf that makes it is widened by zeros */
  of(part: AdapterPart, leaf: string, dtype: DType, columns: End["columns"]): Value {
    const name = `${siteName(part.site)}.${leaf}`;
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const tensor = part.leaves.get(leaf);
    if (tensor === undefined) throw new Error(`${name} is not there`);
    const [widened, axis] = resultLeaf[part.kind];
    const [rows = 0, width = 0] = tensor.shape;
    const isWide = columns !== null && leaf === widened;
    const shape = !isWide ? tensor.shape : axis === 0 ? [columns.of, width] : [rows, columns.of];
    const produce = (): Uint8Array => {
      const bytes = tensor.bytes();
      checkFinite({ file: this.#file, name }, tensor.dtype, bytes);
      const at = numbersOf(bytes, tensor.dtype);
      const [down, right] = !isWide ? [0, 0] : axis === 0 ? [columns.start, 0] : [0, columns.start];
      const numbers = new Float64Array(shape.reduce((a, c) => a * c, 1));
      const wide = shape[1] ?? width;
      for (let i = 0; i < rows * width; i++)
        numbers[(Math.floor(i / width) + down) * wide + (i % width) + right] = at(i);
      return encodeNumbers(numbers, dtype);
    };
    const stored = new Tensor(dtype, shape, { kind: "deferred", file: "adapters", produce });
    const value = this.#rw.value(this.#model.loc, name, tensorType(dtype, shape), stored);
    this.#rw.addInitializer(this.#model.graph, value);
    this.#made.set(name, value);
    return value;
  }
}
