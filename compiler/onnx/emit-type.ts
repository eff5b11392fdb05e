import { dtypeNumber } from "../ir/dtype.ts";
import type { Dim, ValueType } from "../ir/type.ts";
import { BYTES, tagOf, VARINT, type Writer } from "./wire.ts";

/** Writes a TypeProto's fields. */
export function emitType(w: Writer, type: ValueType): void {
  if (type.source !== undefined) {
    w.raw(type.source);
    return;
  }
  switch (type.kind) {
    case "none":
      return;
    case "tensor":
    case "sparse_tensor":
      nested(w, type.kind === "tensor" ? 1 : 8, () => {
        w.uint32(tagOf(1, VARINT)).int32(dtypeNumber(type.dtype));
        const { shape } = type;
        if (shape !== undefined)
          nested(w, 2, () => {
            for (const dim of shape) emitDim(w, dim);
          });
      });
      return;
    case "seq":
    case "optional":
      nested(w, type.kind === "seq" ? 4 : 9, () => {
        emitInner(w, 1, type.of);
      });
      return;
    case "map":
      nested(w, 5, () => {
        w.uint32(tagOf(1, VARINT)).int32(dtypeNumber(type.key));
        emitInner(w, 2, type.of);
      });
      return;
    case "opaque":
      nested(w, 7, () => {
        w.uint32(tagOf(1, BYTES)).string(type.domain);
        w.uint32(tagOf(2, BYTES)).string(type.name);
      });
  }
}

function emitInner(w: Writer, id: number, type: ValueType | undefined): void {
  if (type !== undefined)
    nested(w, id, () => {
      emitType(w, type);
    });
}

function emitDim(w: Writer, dim: Dim): void {
  nested(w, 1, () => {
    if (typeof dim === "number") w.uint32(tagOf(1, VARINT)).int64(dim);
    else if (dim !== null) w.uint32(tagOf(2, BYTES)).string(dim);
  });
}

function nested(w: Writer, id: number, write: () => void): void {
  w.uint32(tagOf(id, BYTES)).fork();
  write();
  w.ldelim();
}
