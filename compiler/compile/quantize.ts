import { inputError } from "../diagnostics/error.ts";
import { blockSizes, type BlockSettings, type BlockSize } from "../weights/nbits/settings.ts";
import type { CompileOptions } from "./options.ts";

/** What weights can be quantized to. */
export const quantizations = ["int4", "int8"] as const;
/** What weights are quantized to: integers of 4 or 8 bits, in blocks that share a scale. */
export type Quantization = (typeof quantizations)[number];

/** Inputs that share a scale where nothing else is asked for. */
export const DEFAULT_BLOCK = 32;

type Asked = Pick<CompileOptions, "quantize" | "block" | "symmetric">;

/**
 * How options ask for weights to be quantized; null where they do not.
 *
 * @throws TfcError OPTION_UNUSED for what is said of quantizing where nothing is quantized
 */
export function quantizeSettings({ quantize, block, symmetric }: Asked): BlockSettings | null {
  if (quantize !== undefined) {
    const bits = quantize === "int4" ? 4 : 8;
    return { bits, block: sizeOf(block ?? DEFAULT_BLOCK), symmetric: symmetric === true };
  }
  const unused = block !== undefined ? "block" : symmetric === true ? "symmetric" : null;
  if (unused === null) return null;
  throw inputError("OPTION_UNUSED", {}, { option: unused, needs: "`quantize`" });
}

/** Whether onnxruntime's kernels take blocks of a size. */
export function isBlockSize(value: unknown): value is BlockSize {
  return blockSizes.some((size) => size === value);
}

function sizeOf(block: number): BlockSize {
  if (isBlockSize(block)) return block;
  throw new Error(`no kernel takes blocks of ${block}`);
}
