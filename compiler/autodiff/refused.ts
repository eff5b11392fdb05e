import { placeOf } from "../diagnostics/diagnostic.ts";
import { inputError, type TfcError } from "../diagnostics/error.ts";
import type { Node } from "../ir/node.ts";

/** The error of a node that has no gradient where that is found while it is written, as by the shapes of a call. */
export function refused(node: Node, why: string): TfcError {
  return inputError("NO_GRADIENT_RULE", placeOf(node), { ops: [node.op], why });
}
