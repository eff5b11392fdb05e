import { dtypeOf, type DType } from "../ir/dtype.ts";
import type { Dim, ValueType } from "../ir/type.ts";
import { toNumber } from "./numbers.ts";
import type { TypeMessage } from "./schema.ts";

type Shape = NonNullable<NonNullable<TypeMessage["tensorType"]>["shape"]>;

/** The IR type of a TypeProto. The message stays with it, so that what the IR does not model is emitted unchanged. */
export function importType(message: TypeMessage): ValueType {
  return { ...kindOf(message), source: message };
}

function kindOf(message: TypeMessage): ValueType {
  const tensor = message.tensorType ?? message.sparseTensorType;
  if (tensor) {
    const shape = tensor.shape ? { shape: dimsOf(tensor.shape) } : {};
    return { kind: message.tensorType ? "tensor" : "sparse_tensor", dtype: dtype(tensor.elemType), ...shape };
  }
  const inner = message.sequenceType ?? message.optionalType;
  if (inner) {
    const of = inner.elemType ? { of: importType(inner.elemType) } : {};
    return { kind: message.sequenceType ? "seq" : "optional", ...of };
  }
  if (message.mapType) {
    const of = message.mapType.valueType ? { of: importType(message.mapType.valueType) } : {};
    return { kind: "map", key: dtype(message.mapType.keyType), ...of };
  }
  const opaque = message.opaqueType;
  if (opaque) return { kind: "opaque", domain: opaque.domain ?? "", name: opaque.name ?? "" };
  return { kind: "none" };
}

function dtype(number: number | null | undefined): DType {
  return dtypeOf(number ?? 0) ?? "undefined";
}

function dimsOf(shape: Shape): Dim[] {
  return (shape.dim ?? []).map((dim) => {
    if (Object.hasOwn(dim, "dimValue")) return toNumber(dim.dimValue);
    return dim.dimParam === undefined || dim.dimParam === null || dim.dimParam === "" ? null : dim.dimParam;
  });
}
