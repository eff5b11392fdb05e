import { recordIn } from "../json-values.ts";

/** The bits that weights are quantized to. */
export const bitWidths = [4, 8] as const;
export type BitWidth = (typeof bitWidths)[number];

/** How many inputs may share a scale: what onnxruntime's kernels take. */
export const blockSizes = [16, 32, 64, 128, 256] as const;
export type BlockSize = (typeof blockSizes)[number];

/** How a matrix is quantized: each of its outputs in blocks of inputs. */
export interface BlockSettings {
  readonly bits: BitWidth;
  readonly block: BlockSize;
  /** Whether the middle of the range stands for 0; else each block has a zero point of its own. */
  readonly symmetric: boolean;
}

/** What one output of a matrix takes in each of the tensors that it becomes, in elements. */
export interface RowSizes {
  readonly blocks: number;
  /** Bytes of packed numbers, and of one block of them. */
  readonly packed: number;
  readonly blob: number;
  /** Bytes of zero points. */
  readonly zeroPoints: number;
}

export function rowSizes(inFeatures: number, { bits, block }: BlockSettings): RowSizes {
  const blocks = Math.ceil(inFeatures / block);
  const blob = (block * bits) / 8;
  return { blocks, packed: blocks * blob, blob, zeroPoints: Math.ceil((blocks * bits) / 8) };
}

/** The key of a model's metadata that says how its weights were quantized. */
export const QUANTIZED_KEY = "tfc.quantized";

/** Null for text that says nothing that is understood. */
export function parseSettings(text: string): BlockSettings | null {
  const { bits, block, symmetric } = recordIn(text) ?? {};
  const [width, size] = [bitWidths.find((one) => one === bits), blockSizes.find((one) => one === block)];
  if (width === undefined || size === undefined || typeof symmetric !== "boolean") return null;
  return { bits: width, block: size, symmetric };
}
