import { byteSize, type DType } from "../../ir/dtype.ts";

/** Element types: PyTorch's name, and the storage class of a tensor that has one of its own. */
const table = {
  float: ["float32", "FloatStorage"],
  double: ["float64", "DoubleStorage"],
  float16: ["float16", "HalfStorage"],
  bfloat16: ["bfloat16", "BFloat16Storage"],
  int64: ["int64", "LongStorage"],
  int32: ["int32", "IntStorage"],
  int16: ["int16", "ShortStorage"],
  int8: ["int8", "CharStorage"],
  uint8: ["uint8", "ByteStorage"],
  bool: ["bool", "BoolStorage"],
  uint16: ["uint16", null],
  uint32: ["uint32", null],
  uint64: ["uint64", null],
  float8e4m3fn: ["float8_e4m3fn", null],
  float8e4m3fnuz: ["float8_e4m3fnuz", null],
  float8e5m2: ["float8_e5m2", null],
  float8e5m2fnuz: ["float8_e5m2fnuz", null],
  float8e8m0: ["float8_e8m0fnu", null],
} as const satisfies Partial<Record<DType, readonly [name: string, storage: string | null]>>;

/** The types that a checkpoint's tensors may have here: all take whole bytes, at most 8. */
export type TorchDType = keyof typeof table;

/** An element type as PyTorch sees it. */
export interface TorchType {
  readonly dtype: TorchDType;
  /** `float32` */
  readonly name: string;
  /** `FloatStorage`, or null for the newer types, whose tensors are saved as bytes and the type's name */
  readonly storage: string | null;
  /** bytes of an element */
  readonly unit: number;
}

const types: readonly TorchType[] = Object.entries(table).map(([key, [name, storage]]) => {
  const dtype = key as TorchDType;
  return { dtype, name, storage, unit: byteSize(dtype, 1) ?? 1 };
});

const byDType = new Map<string, TorchType>(types.map((type) => [type.dtype, type]));
const byName = new Map(types.map((type) => [type.name, type]));
const byStorage = new Map(types.flatMap((type) => (type.storage === null ? [] : [[type.storage, type]])));

/** What PyTorch calls an element type, or undefined for one that its checkpoints cannot hold here. */
export function torchTypeOf(dtype: DType): TorchType | undefined {
  return byDType.get(dtype);
}

/** The element type that `torch.{name}` is. */
export function torchTypeNamed(name: string): TorchType | undefined {
  return byName.get(name);
}

/** The element type of `torch.{storage}`. */
export function torchTypeOfStorage(storage: string): TorchType | undefined {
  return byStorage.get(storage);
}
