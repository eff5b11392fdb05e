import { inputError } from "../../compiler/diagnostics/error.ts";
import { byteSize, type DType } from "../../compiler/ir/dtype.ts";
import type { DecoderView } from "../../compiler/recognize/decoder.ts";
import { widthIn } from "../../compiler/recognize/model/widths.ts";
import { packedKinds, type PackedKind } from "../../compiler/sites/site.ts";
import { encodeNumbers, numbersOf } from "../../compiler/weights/convert.ts";
import { rowsOf } from "../../compiler/weights/packed.ts";
import type { WeightTensor } from "../../compiler/weights/weight.ts";

/**
 * Weights with packed ones taken apart: `qkv_proj.weight` is the weights of q_proj, k_proj and v_proj one under another.
 * Where the graph packs them too, they come together again. One that the graph has no projections for stays as it is.
 *
 * @throws TfcError ADAPTER_LEAF_SHAPE where it has another number of rows than the projections have outputs
 */
export function unpacked(
  weights: ReadonlyMap<string, WeightTensor>,
  view: DecoderView,
  file: string,
): ReadonlyMap<string, WeightTensor> {
  const apart = [...weights].flatMap(([name, tensor]): (readonly [string, WeightTensor])[] => {
    const [, layer, block, module = "", leaf] =
      /^model\.layers\.(\d+)\.(self_attn|mlp)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
    const found = (Object.keys(packedKinds) as PackedKind[]).find((kind) => kind === module);
    if (found === undefined) return [[name, tensor]];
    const kinds = packedKinds[found];
    const widths = kinds.map((kind) => widthIn(view, { layer: Number(layer), copy: 0, site: kind }));
    if (!widths.every((width) => width !== null)) return [[name, tensor]];
    const rows = widths.reduce((a, b) => a + b, 0);
    if (tensor.shape[0] !== rows) {
      const wanted = [rows, ...tensor.shape.slice(1)].join();
      throw inputError("ADAPTER_LEAF_SHAPE", { file, name }, { wanted, found: tensor.shape.join() });
    }
    let start = 0;
    return kinds.map((kind, i) => {
      const from = start;
      start += widths[i] ?? 0;
      return [`model.layers.${layer}.${block}.${kind}.${leaf}`, rowsOf(tensor, from, start)] as const;
    });
  });
  return new Map(apart);
}

/** The elements of a tensor in another type, with a number added to each. */
export function shifted(bytes: Uint8Array, from: DType, to: DType, offset: number): Uint8Array {
  const at = numbersOf(bytes, from);
  const count = bytes.length / (byteSize(from, 1) ?? 1);
  return encodeNumbers(
    Float64Array.from({ length: count }, (_, i) => at(i) + offset),
    to,
  );
}
