import type { DType } from "../ir/dtype.ts";

/** The types that a model can be converted to, as options call them. */
export const halfTypes = { fp16: "float16", bf16: "bfloat16" } as const satisfies Readonly<
  Record<string, DType>
>;

/** The types that its inputs and outputs can have. */
export const portTypes = { fp32: "float", ...halfTypes } as const satisfies Readonly<Record<string, DType>>;

/** `fp16`: a type that a model can be converted to. */
export type HalfName = keyof typeof halfTypes;

/** `fp32`: a type that its inputs and outputs can have. */
export type PortName = keyof typeof portTypes;

export const halfNames = Object.keys(halfTypes) as HalfName[];
export const portNames = Object.keys(portTypes) as PortName[];
