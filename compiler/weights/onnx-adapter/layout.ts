import { moduleOf } from "../../sites/names.ts";
import type { SiteRef } from "../../sites/site.ts";
import type { AdapterPart } from "../adapter-file.ts";
import { encodeNumbers, numbersOf } from "../convert.ts";
import type { Draft } from "../names/sort.ts";
import { turned } from "../transpose.ts";
import { sizeOf, type WeightTensor } from "../weight.ts";

/** The words for {@link OnnxAdapterLayout}. */
export const onnxAdapterLayouts = ["tfc", "olive", "genai"] as const;
/**
 * How an `.onnx_adapter` file has LoRA. Its parameters are the inputs of a graph, so that each kind of graph has its own:
 *
 * - `tfc`: A `[r, in]` and B `[out, r]` as PEFT has them, and the scale α/r as `{site}.scaling`.
 * - `olive`: A `[in, r]` and B `[r, out]` as a MatMul takes them, α/r in B; PEFT's names.
 * - `genai`: the same under the names of onnxruntime-genai's model builder.
 */
export type OnnxAdapterLayout = (typeof onnxAdapterLayouts)[number];

const [A, B] = ["lora_A.weight", "lora_B.weight"] as const;

/**
 * Whether LoRA lies as MatMuls take it: by the shapes of all sites together, since those of one may fit both ways. Then
 * the rank is what is smaller. tfc's own files say a scale, which no other one has.
 */
export function isForMatMul(drafts: readonly Draft[]): boolean {
  let [ranks, widths] = [0, 0];
  for (const { kind, leaves } of drafts) {
    const [a, b] = [leaves.get(A)?.shape, leaves.get(B)?.shape];
    if (kind.name !== "lora" || a?.length !== 2 || b?.length !== 2 || a[1] !== b[0]) return false;
    if (a[0] !== b[1]) return true;
    ranks += a[1] ?? 0;
    widths += a[0] ?? 0;
  }
  return drafts.length > 0 && ranks <= widths;
}

/** Leaves as MatMuls take them as PEFT has them. Nothing is read. */
export function fromMatMul(draft: Draft): Draft {
  return { ...draft, leaves: new Map([...draft.leaves].map(([leaf, tensor]) => [leaf, turned(tensor)])) };
}

/** The parameters of LoRA as MatMuls take it, with the scale in B. */
export function* forMatMul(
  { site, leaves }: AdapterPart,
  scale: number,
  layout: Exclude<OnnxAdapterLayout, "tfc">,
): Iterable<[string, WeightTensor]> {
  for (const [leaf, tensor] of leaves) {
    yield [nameIn(layout, site, leaf), leaf === B ? scaled(turned(tensor), scale) : turned(tensor)];
  }
}

/** `model.layers.0.self_attn.q_proj.lora_A.weight`, or `model.layers.0.attn.q_proj.lora_A.MatMul.weight`. */
function nameIn(layout: OnnxAdapterLayout, { layer, copy, site }: SiteRef, leaf: string): string {
  const module = moduleOf(site, copy);
  if (layout !== "genai") return `model.layers.${layer}.${module}.${leaf}`;
  const own = module.replace(/^self_attn/, "attn");
  return `model.layers.${layer}.${own}.${leaf.replace(/\.weight$/, ".MatMul.weight")}`;
}

/** `lora_A.MatMul.weight` without the node that reads it. */
export function withoutReader(name: string): string {
  return name.replace(/\.(lora_[AB])\.MatMul\.weight$/, ".$1.weight");
}

function scaled(tensor: WeightTensor, scale: number): WeightTensor {
  if (scale === 1) return tensor;
  const { dtype, shape } = tensor;
  const bytes = (): Uint8Array => {
    const at = numbersOf(tensor.bytes(), dtype);
    const numbers = Float64Array.from({ length: sizeOf(tensor) }, (_, i) => scale * at(i));
    return encodeNumbers(numbers, dtype);
  };
  return { dtype, shape, bytes };
}
