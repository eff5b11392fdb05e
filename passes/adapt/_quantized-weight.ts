import { isFloat } from "../../compiler/ir/dtype.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Tensor } from "../../compiler/ir/tensor.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { constantOf } from "../../compiler/ops/constant.ts";
import { floatsOf } from "../../compiler/weights/convert.ts";
import { dequantize } from "../../compiler/weights/nbits/dequantize.ts";
import {
  bitWidths,
  blockSizes,
  rowSizes,
  type BlockSettings,
} from "../../compiler/weights/nbits/settings.ts";

/** A matrix of `MatMulNBits`. */
export interface QuantizedWeight {
  readonly inFeatures: number;
  /** The numbers that it stands for, `[out, in]`, made when they are asked for. */
  readonly rows: () => Float32Array;
}

/**
 * What the weight of a `MatMulNBits` stands for; else what is in the way, as a clause.
 *
 * @param outside what an operand of the node is where it is stored: a parameter of a function is what its call passes
 */
export function quantizedWeightOf(
  node: Node,
  outside: (operand: Value) => Value | null,
): QuantizedWeight | string {
  const [packed, scales, zeroPoints, order] = [1, 2, 3, 4].map((index) => {
    const operand = node.input(index);
    return operand === null ? null : tensorOf(outside(operand));
  });
  const [bits, block] = [node.int("bits") ?? 4, node.int("block_size")];
  const [inFeatures, outFeatures] = [node.int("K"), node.int("N")];
  const settings = settingsOf(bits, block, zeroPoints === null);
  if (settings === null || inFeatures === undefined || outFeatures === undefined)
    return `its weight is quantized to ${bits} bits in blocks of ${block ?? 0}, which is not read`;
  if (order !== null) return "its weight is quantized in an order of its inputs";
  if (!packed || !scales || zeroPoints === undefined)
    return "its weight is quantized, and no constant of the graph";
  const sizes = rowSizes(inFeatures, settings);
  const isKnown =
    isOf(packed, outFeatures * sizes.packed) &&
    isFloat(scales.dtype) &&
    scales.size === outFeatures * sizes.blocks &&
    (zeroPoints === null || isOf(zeroPoints, outFeatures * sizes.zeroPoints));
  if (!isKnown) return "its weight is quantized in a layout that is not read";
  const rows = (): Float32Array =>
    dequantize(
      {
        packed: packed.bytes(),
        scales: floatsOf(scales.bytes(), scales.dtype),
        zeroPoints: zeroPoints?.bytes() ?? null,
      },
      inFeatures,
      settings,
    );
  return { inFeatures, rows };
}

function isOf({ dtype, size }: Tensor, bytes: number): boolean {
  return dtype === "uint8" && size === bytes;
}

/** Undefined for what is no constant. */
function tensorOf(value: Value | null): Tensor | undefined {
  return value === null ? undefined : (constantOf(value) ?? undefined);
}

function settingsOf(bits: number, block: number | undefined, symmetric: boolean): BlockSettings | null {
  const [width, size] = [bitWidths.find((one) => one === bits), blockSizes.find((one) => one === block)];
  return width === undefined || size === undefined ? null : { bits: width, block: size, symmetric };
}
