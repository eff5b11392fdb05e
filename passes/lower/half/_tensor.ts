import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../../compiler/diagnostics/error.ts";
import type { HalfType } from "../../../compiler/ir/dtype.ts";
import type { Loc } from "../../../compiler/ir/entity.ts";
import { joined } from "../../../compiler/ir/pieces.ts";
import { Tensor } from "../../../compiler/ir/tensor.ts";
import { narrowed } from "../../../compiler/weights/narrow.ts";

/** Tensors of more bytes than this are made when they are written. */
const MOST_IN_MEMORY = 4096;

/** What a tensor is called in messages, and whether it goes to a file of its own rather than into the graph. */
export interface Narrowing {
  readonly name: string;
  readonly loc: Loc;
  readonly canWait: boolean;
}

/**
 * A tensor of float32 in a half type. A large one is read and converted when it is written, a piece at a time.
 *
 * @throws TfcError WEIGHT_OUT_OF_RANGE now, or when it is written
 */
export function halfTensor(tensor: Tensor, to: HalfType, { name, loc, canWait }: Narrowing): Tensor {
  const { shape, storage } = tensor;
  // What is missing is to be put there in the type.
  if (storage.kind === "external" && storage.range === null)
    return new Tensor(to, shape, { kind: "external", location: storage.location, range: null });
  const refuse = (unfit: { readonly index: number; readonly value: number }): never => {
    const at = indicesOf(unfit.index, shape);
    throw inputError("WEIGHT_OUT_OF_RANGE", { ...placeOf({ loc }), name }, { to, at, value: unfit.value });
  };
  const produce = (): Iterable<Uint8Array> => {
    const pieces = tensor.pieces();
    return narrowed(pieces instanceof Uint8Array ? [pieces] : pieces, to, refuse);
  };
  if (canWait && tensor.size * 2 > MOST_IN_MEMORY)
    return new Tensor(to, shape, { kind: "deferred", file: "weights", produce });
  return new Tensor(to, shape, { kind: "memory", bytes: joined(produce()) });
}

/** The index along each axis of an index in row-major order. */
function indicesOf(index: number, shape: readonly number[]): readonly number[] {
  let rest = index;
  return shape
    .toReversed()
    .map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return at;
    })
    .reverse();
}
