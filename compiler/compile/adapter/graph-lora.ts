import type { DType } from "../../ir/dtype.ts";
import type { Tensor } from "../../ir/tensor.ts";
import type { LoraFactor } from "../../recognize/linear/lora.ts";
import { isStoredInFirst, tensorOfFactor, type LoraPlace } from "../../recognize/model/loras.ts";
import { siteKey } from "../../sites/names.ts";
import type { AdapterPart } from "../../weights/adapter-file.ts";
import { encodeNumbers, numbersOf } from "../../weights/convert.ts";
import type { WeightTensor } from "../../weights/weight.ts";

/**
 * The LoRA that a graph has written out, as PEFT keeps it: A `[r, in]`, B `[out, r]`, `s = alpha / r`.
 *
 * Several at one linear are one of the sum of their ranks. At a packed linear each projection gets A and its own rows of
 * B. A scale that exporters folded into B stays there, with `alpha = r`. Nothing is read before a leaf's bytes are.
 *
 * @param places those that are stored and have no obstacle; two of one site (the branches of a merged decoder) share
 *   what they read
 */
export function partsOf(places: readonly LoraPlace[]): readonly AdapterPart[] {
  const parts = new Map<string, AdapterPart>();
  for (const { linear, parts: own } of places) {
    const terms = linear.loras.map(({ a, b, scale }): Term => ({ a: matrixOf(a), b: matrixOf(b), scale }));
    const common = commonScale(terms);
    const rank = terms.reduce((n, { a }) => n + a.outFeatures, 0);
    const settings = { rank, alpha: alphaOf(common, rank), rslora: false };
    for (const { site, start, width } of own) {
      const leaves = new Map([
        ["lora_A.weight", stackedA(terms, rank, linear.inFeatures)],
        ["lora_B.weight", joinedB(terms, common, { rank, start, width })],
      ]);
      parts.set(siteKey(site), { site, kind: "lora", settings, leaves });
    }
  }
  return [...parts.values()];
}

interface Term {
  readonly a: Matrix;
  readonly b: Matrix;
  readonly scale: number;
}

/** A factor as it is stored, apart from the graph, which changes before the numbers are read. */
interface Matrix {
  readonly tensor: Tensor;
  readonly isInFirst: boolean;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

function matrixOf(factor: LoraFactor): Matrix {
  const tensor = tensorOfFactor(factor);
  const { inFeatures, outFeatures } = factor;
  if (tensor === null || inFeatures === null || outFeatures === null)
    throw new Error("a matrix of LoRA that the graph does not have");
  return { tensor, isInFirst: isStoredInFirst(factor), inFeatures, outFeatures };
}

/** What all are multiplied by, up to its sign; 1 where they differ. */
function commonScale([first, ...others]: readonly Term[]): number {
  const scale = Math.abs(first?.scale ?? 1);
  return scale > 0 && others.every((term) => Math.abs(term.scale) === scale) ? scale : 1;
}

/**
 * Alpha as it was meant: a graph has `alpha / r` rounded to float. Where a number of six digits gives the same float it
 * is that one.
 */
function alphaOf(scale: number, rank: number): number {
  const alpha = scale * rank;
  const short = Number(alpha.toPrecision(6));
  return Math.fround(short / rank) === Math.fround(scale) ? short : alpha;
}

/** The A of all terms, one below the other. */
function stackedA(terms: readonly Term[], rank: number, inFeatures: number): WeightTensor {
  const dtype = widest(terms.map(({ a }) => a));
  const bytes = (): Uint8Array => {
    const rows = new Float64Array(rank * inFeatures);
    let start = 0;
    for (const { a } of terms) {
      const at = elementsOf(a);
      const own = a.outFeatures;
      for (let r = 0; r < own; r++)
        for (let i = 0; i < inFeatures; i++) rows[(start + r) * inFeatures + i] = at(r, i);
      start += own;
    }
    return encodeNumbers(rows, dtype);
  };
  return { dtype, shape: [rank, inFeatures], bytes };
}

/** The B of all terms beside each other: the rows that one projection has of a packed linear. */
function joinedB(
  terms: readonly Term[],
  common: number,
  { rank, start, width }: { readonly rank: number; readonly start: number; readonly width: number },
): WeightTensor {
  const dtype = widest(terms.map(({ b }) => b));
  const bytes = (): Uint8Array => {
    const rows = new Float64Array(width * rank);
    let column = 0;
    for (const { b, scale } of terms) {
      const at = elementsOf(b);
      const own = b.inFeatures;
      const factor = scale / common;
      for (let o = 0; o < width; o++)
        for (let r = 0; r < own; r++) rows[o * rank + column + r] = factor * at(start + o, r);
      column += own;
    }
    return encodeNumbers(rows, dtype);
  };
  return { dtype, shape: [width, rank], bytes };
}

/** The type that can hold the elements of all matrices. */
function widest(matrices: readonly Matrix[]): DType {
  const types = new Set(matrices.map(({ tensor }) => tensor.dtype));
  const [only = "float"] = types;
  if (types.size === 1) return only;
  return types.has("double") ? "double" : "float";
}

/** The elements of a matrix by output and input. */
function elementsOf({ tensor, isInFirst }: Matrix): (output: number, input: number) => number {
  const at = numbersOf(tensor.bytes(), tensor.dtype);
  const [, columns = 0] = tensor.shape;
  return isInFirst ? (o, i) => at(i * columns + o) : (o, i) => at(o * columns + i);
}
