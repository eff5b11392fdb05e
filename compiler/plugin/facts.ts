import type { GraphDescription } from "../bindings/description.ts";
import { traitsOf } from "../../runtime/engine/traits.ts";
import type { HostTensor, Tensors } from "../../runtime/session/tensor.ts";
import type { DefaultTensor, RunFacts } from "../../runtime/web/spec.ts";

/** What running needs to know of a graph, of its file. @param defaults of inputs that need not be fed */
export function runFacts(file: string, description: GraphDescription, defaults: Tensors): RunFacts {
  const { byLengths, mixesRows, unread, widths, windows } = traitsOf(file, true);
  const { metadata } = description;
  return {
    metadata: Object.fromEntries(Object.entries(metadata).filter(([key]) => key.startsWith("tfc."))),
    byLengths,
    mixesRows,
    unread: [...unread],
    widths: Object.fromEntries(widths),
    windows: Object.fromEntries(windows),
    defaults: Object.fromEntries([...defaults].map(([name, tensor]) => [name, plain(tensor)])),
    isLoop: description.decodeLoop !== null,
  };
}

/** A tensor as JSON. */
function plain({ dtype, dims, data }: HostTensor): DefaultTensor {
  const elements = Array.from(data as ArrayLike<number | bigint | string>, (one) =>
    typeof one === "bigint" ? String(one) : one,
  );
  return { dtype, dims, data: elements };
}
