import type { DType } from "../ir/dtype.ts";
import { kernelsOf } from "./kernels/kernels.ts";
import type { Provider } from "./providers.ts";

/** Ops that attention in plain ops is written as. */
export type AttentionOpName = "Attention" | "com.microsoft::GroupQueryAttention";

/**
 * What onnxruntime's kernels of an attention op take, as their source has it (1.30): what they check, and what they
 * compute where nothing is checked. Element types stand in the table of kernels.
 */
export interface AttentionKernel {
  readonly provider: Provider;
  readonly op: AttentionOpName;
  /** The type parameter of queries in the table of kernels. */
  readonly type: string;
  /** What the width of a head must be a multiple of. */
  readonly widthMultiple: number;
  /** The widest head. */
  readonly widest: number;
  /** Whether heads of values may have another width than those of keys. */
  readonly ownValueWidth: boolean;
  /** Whether a score per head takes part in the Softmax; `alone`: where no mask is given. */
  readonly sinks: "no" | "alone" | "yes";
  /** Whether past and present may be one buffer, into which new keys are written. */
  readonly sharesBuffer: boolean;
  /** Whether several rows may each have several new tokens behind a past. */
  readonly batchedChunks: boolean;
  /** What it turns queries and keys by itself; null where it turns nothing. */
  readonly rotary: InnerRotary | null;
}

/**
 * What a rotary embedding inside takes. Positions are those of places in the cache; where others are given, a prompt is
 * turned by the first row's first alone, and counted on from there in all rows. Tables are of the queries' type, with a
 * row for each position.
 */
export interface InnerRotary {
  /** What the width of a head must be a multiple of then. */
  readonly widthMultiple: number;
  /** What the number of turned features must be a multiple of. */
  readonly turnedMultiple: number;
}

const attention: Omit<AttentionKernel, "provider" | "widest"> = {
  ...{ op: "Attention", type: "T1", widthMultiple: 1, ownValueWidth: true },
  ...{ sinks: "no", sharesBuffer: false, batchedChunks: true, rotary: null },
};

const groupQuery: Omit<AttentionKernel, "provider" | "widest" | "sinks"> = {
  ...{ op: "com.microsoft::GroupQueryAttention", type: "T", widthMultiple: 8, ownValueWidth: false },
  ...{ sharesBuffer: true, batchedChunks: false, rotary: { widthMultiple: 16, turnedMultiple: 16 } },
};

/** In the order in which they are chosen. */
export const attentionKernels: readonly AttentionKernel[] = [
  { provider: "cpu", ...attention, widest: Infinity },
  { provider: "cpu", ...groupQuery, widest: Infinity, sinks: "yes" },
  { provider: "cuda", ...attention, widest: Infinity },
  { provider: "cuda", ...groupQuery, widest: 256, sinks: "alone" },
];

/** Whether an attention op of a provider may write into its cache. */
export function sharesCaches(provider: Provider): boolean {
  return attentionKernels.some((one) => one.provider === provider && one.sharesBuffer);
}

/**
 * Why none of a provider may. WebGPU's GroupQueryAttention (1.30) passes over a soft cap, refuses to show later
 * positions, and of 32 new tokens and more it attends to the first few keys alone as it should, where it works with
 * subgroups (seen on SwiftShader and lavapipe, with subgroups of 4, 8 and 16). One new token in each row it computes
 * right; but a graph that chooses by the number of tokens needs `If`, which has no kernel there from opset 23 on.
 */
export function whyUnshared(provider: Provider): string {
  return `GroupQueryAttention, the one op that writes into its cache on ${provider}, computes prompts wrong on some devices`;
}

/** What an attention is like, as far as kernels differ in it. */
export interface AttentionNeeds {
  readonly dtype: DType | null;
  /** Width of a head of queries and keys. */
  readonly width: number | null;
  readonly valueWidth: number | null;
  readonly hasMask: boolean;
  readonly hasSinks: boolean;
}

/** Why a kernel does not turn heads of a width by itself, of which so many features are turned; null where it does. */
export function rotaryObstacleIn(
  { op, rotary }: AttentionKernel,
  width: number,
  turned: number,
): string | null {
  const name = op.replace("com.microsoft::", "");
  if (rotary === null) return `${name} turns nothing`;
  const { widthMultiple, turnedMultiple } = rotary;
  if (width % widthMultiple !== 0)
    return `${name} turns heads whose width is a multiple of ${widthMultiple}: they are ${width} wide`;
  if (turned % turnedMultiple !== 0)
    return `${name} turns a multiple of ${turnedMultiple} features: they are ${turned}`;
  return null;
}

/** Why a kernel does not take an attention; null where it does. */
export function obstacleIn(kernel: AttentionKernel, needs: AttentionNeeds): string | null {
  const { provider, op, type, widthMultiple, widest, ownValueWidth, sinks } = kernel;
  const { dtype, width, valueWidth, hasMask, hasSinks } = needs;
  const name = op.replace("com.microsoft::", "");
  const kernels = kernelsOf(op)?.kernels[provider] ?? [];
  const types = [...new Set(kernels.flatMap((one) => [...(one.types.get(type) ?? [])]))];
  if (dtype !== null && !types.includes(dtype)) {
    const known = types.length === 0 ? "" : `, only for ${types.sort().join(" and ")}`;
    return `${name} has no kernel for ${dtype} on ${provider}${known}`;
  }
  if (width === null || valueWidth === null) return "the width of its heads is not known";
  if (width % widthMultiple !== 0)
    return `${name} wants heads whose width is a multiple of ${widthMultiple}: they are ${width} wide`;
  if (width > widest)
    return `${name} takes heads up to ${widest} wide on ${provider}: they are ${width} wide`;
  if (!ownValueWidth && width !== valueWidth)
    return `${name} wants values as wide as keys: they are ${valueWidth} and ${width} wide`;
  if (hasSinks && sinks === "no") return `${name} has no sinks`;
  if (hasSinks && hasMask && sinks === "alone") return `${name} takes no mask beside sinks on ${provider}`;
  return null;
}
