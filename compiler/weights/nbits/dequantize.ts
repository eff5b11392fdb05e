import type { QuantizedMatrix } from "./row-quantizer.ts";
import { rowSizes, type BlockSettings } from "./settings.ts";

/** The numbers that a quantized matrix stands for, `[out, in]`. */
export function dequantize(
  { packed, scales, zeroPoints }: QuantizedMatrix,
  inFeatures: number,
  settings: BlockSettings,
): Float32Array {
  const { bits, block } = settings;
  const sizes = rowSizes(inFeatures, settings);
  const outFeatures = sizes.packed === 0 ? 0 : packed.length / sizes.packed;
  const result = new Float32Array(outFeatures * inFeatures);
  for (let output = 0; output < outFeatures; output++) {
    for (let index = 0; index < sizes.blocks; index++) {
      const zero =
        zeroPoints === null ? 2 ** (bits - 1) : elementOf(zeroPoints, output * sizes.zeroPoints, index, bits);
      const scale = scales[output * sizes.blocks + index] ?? 0;
      const last = Math.min(inFeatures, (index + 1) * block);
      for (let i = index * block; i < last; i++)
        result[output * inFeatures + i] = (elementOf(packed, output * sizes.packed, i, bits) - zero) * scale;
    }
  }
  return result;
}

/** An element of a row that begins at a byte. */
function elementOf(bytes: Uint8Array, row: number, index: number, bits: number): number {
  if (bits === 8) return bytes[row + index] ?? 0;
  return ((bytes[row + (index >> 1)] ?? 0) >> (4 * (index & 1))) & 15;
}
