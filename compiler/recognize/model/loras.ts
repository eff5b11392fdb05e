import { isFloat } from "../../ir/dtype.ts";
import type { Model } from "../../ir/model.ts";
import type { Tensor } from "../../ir/tensor.ts";
import { graphsDeep } from "../../ir/walk.ts";
import { constantOf } from "../../ops/constant.ts";
import { has } from "../../ops/table.ts";
import { siteKey } from "../../sites/names.ts";
import type { SiteRef } from "../../sites/site.ts";
import type { DecoderView } from "../decoder.ts";
import { blocksOf } from "../layers.ts";
import { GraphIndex } from "../graph-index.ts";
import type { Linear } from "../linear/linear.ts";
import type { LoraFactor } from "../linear/lora.ts";
import { projectionsOf } from "../linear/projections.ts";

/** A linear of a model that the graph adds LoRA to. */
export interface LoraPlace {
  readonly linear: Linear;
  /** The projections that it holds, in the order of its features; none where it is no projection with a name. */
  readonly parts: readonly { readonly site: SiteRef; readonly start: number; readonly width: number }[];
  /** Whether the graph has its numbers, some of them at least; else callers give them. */
  readonly isStored: boolean;
  /** Why it cannot be taken out, as a clause; null where it can. */
  readonly obstacle: string | null;
}

/** The matrix of a factor as it is stored: an initializer, which callers may override, or a Constant. */
export function tensorOfFactor({ weight }: LoraFactor): Tensor | null {
  return weight === null ? null : (weight.root.constant ?? constantOf(weight.root));
}

/** Whether a factor's matrix is stored as `[in, out]`, where PEFT has `[out, in]`. */
export function isStoredInFirst({ isInFirst, weight }: LoraFactor): boolean {
  return isInFirst !== (weight?.transposed ?? false);
}

/** Every linear of a model that has LoRA of its own, in the main graph and in those inside it. */
export function lorasIn(model: Model, view: DecoderView): readonly LoraPlace[] {
  const named = partsByNode(view);
  const places = graphsDeep(model.graph).flatMap((graph) =>
    [...new GraphIndex(model, graph).linears].flatMap((linear): LoraPlace[] => {
      if (linear.loras.length === 0) return [];
      const parts = named.get(linear.node) ?? [];
      const factors = linear.loras.flatMap(({ a, b }) => [a, b]);
      const isStored = factors.some((factor) => tensorOfFactor(factor) !== null);
      return [{ linear, parts, isStored, obstacle: obstacleOf(parts, isStored ? factors : []) }];
    }),
  );
  const differing = differingIn(places);
  const why = "another branch of the graph has other LoRA at the same projection";
  return places.map((place) =>
    place.obstacle === null && differing.has(keyOf(place)) ? { ...place, obstacle: why } : place,
  );
}

/** The projections that have LoRA in two branches, as in a merged decoder, and not the same. */
function differingIn(places: readonly LoraPlace[]): ReadonlySet<string> {
  const known = new Map<string, LoraPlace>();
  const differing = new Set<string>();
  for (const place of places) {
    const key = keyOf(place);
    const first = known.get(key);
    known.set(key, first ?? place);
    if (first !== undefined && !isSame(first, place)) differing.add(key);
  }
  return differing;
}

function keyOf({ parts }: LoraPlace): string {
  return parts.map(({ site }) => siteKey(site)).join();
}

function isSame(one: LoraPlace, other: LoraPlace): boolean {
  const roots = ({ linear }: LoraPlace): readonly unknown[] =>
    linear.loras.flatMap(({ a, b, scale }) => [
      a.weight?.root ?? a.matrix,
      b.weight?.root ?? b.matrix,
      scale,
    ]);
  const [own, others] = [roots(one), roots(other)];
  return own.length === others.length && own.every((root, i) => root === others[i]);
}

function partsByNode({ layers }: DecoderView): ReadonlyMap<Linear["node"], LoraPlace["parts"]> {
  const named = new Map<Linear["node"], LoraPlace["parts"]>();
  for (const one of layers) {
    const { index: layer, copy } = one;
    for (const block of blocksOf(one)) {
      for (const { linear, parts } of projectionsOf(block)) {
        let end = 0;
        named.set(
          linear.node,
          parts.map(({ site, width }) => {
            const start = end;
            end += width;
            return { site: { layer, copy, site }, start, width };
          }),
        );
      }
    }
  }
  return named;
}

function obstacleOf(parts: LoraPlace["parts"], factors: readonly LoraFactor[]): string | null {
  if (parts.length === 0) return "it is at no projection of a block that was understood";
  return factors.map(factorObstacle).find((why) => why !== null) ?? null;
}

function factorObstacle(factor: LoraFactor): string | null {
  const { weight, node, inFeatures, outFeatures } = factor;
  const tensor = tensorOfFactor(factor);
  if (weight === null || tensor === null) return "a matrix of it is an input of the graph";
  const isPlain = ["MatMul", "Gemm", "com.microsoft::FusedMatMul"].includes(node.op);
  if (!isPlain || !isFloat(weight.dtype) || !isFloat(tensor.dtype))
    return `a matrix of it is quantized (${node.op})`;
  const between = weight.path.find((one) => !has(one, "same-numbers"));
  if (between?.op === "DequantizeLinear") return "a matrix of it is quantized (DequantizeLinear)";
  if (between !== undefined) return `the graph computes on a matrix of it (${between.op})`;
  const shape = isStoredInFirst(factor) ? [inFeatures, outFeatures] : [outFeatures, inFeatures];
  return tensor.shape.join() === shape.join() ? null : "a matrix of it is stored in another shape";
}
