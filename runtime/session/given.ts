import { inputError } from "../../compiler/diagnostics/error.ts";
import { isElementType, sizeOf, type HostTensor, type Port, type Tensors } from "./tensor.ts";

/** Tensors by name, in a Map or as the properties of a plain object. */
export type Feeds = Tensors | Readonly<Record<string, HostTensor>>;

/**
 * Feeds of a graph as a Map, after a look at each: whether the graph has the input, and whether the tensor is one.
 *
 * @throws TfcError INPUT_UNKNOWN, INPUT_INVALID
 */
export function tensorsOf(given: Feeds, file: string, inputs: readonly Port[]): Tensors {
  const tensors = asMap(given, file);
  const known = inputs.map(({ name }) => name);
  for (const [name, tensor] of tensors) {
    if (!known.includes(name)) throw inputError("INPUT_UNKNOWN", { file, name }, { name, known });
    checkTensor(tensor, { file, name });
  }
  return tensors;
}

function asMap(given: unknown, file: string): Tensors {
  // A Map of another realm (a worker's, a test's) is no instance of this one's.
  if (Object.prototype.toString.call(given) === "[object Map]") return given as Tensors;
  if (typeof given === "object" && given !== null && !Array.isArray(given)) {
    return new Map(Object.entries(given as Readonly<Record<string, HostTensor>>));
  }
  const found = given === null ? "null" : Array.isArray(given) ? "an array" : typeof given;
  throw inputError("INPUT_INVALID", { file }, { wanted: "a Map, or an object, of tensors by name", found });
}

/** JavaScript's callers are not held by the types: what would crash or be read as zeros is refused. */
function checkTensor(given: unknown, place: { readonly file: string; readonly name: string }): void {
  const refuse = (found: string): never => {
    throw inputError("INPUT_INVALID", place, { wanted: "a tensor: { dtype, dims, data }", found });
  };
  if (typeof given !== "object" || given === null) refuse(given === null ? "null" : typeof given);
  const { dtype, dims, data } = given as Readonly<Partial<Record<"dtype" | "dims" | "data", unknown>>>;
  if (typeof dtype !== "string" || !isElementType(dtype)) refuse(`the dtype ${String(dtype)}`);
  if (!Array.isArray(dims) || !dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0))
    refuse(`the dims ${Array.isArray(dims) ? `[${dims.join(",")}]` : String(dims)}`);
  const length = Array.isArray(data) || ArrayBuffer.isView(data) ? lengthOf(data) : null;
  if (length === null) refuse("data that is no array");
  const size = sizeOf(dims as readonly number[]);
  if (length !== size) refuse(`${length ?? 0} elements where the dims hold ${size}`);
}

function lengthOf(data: ArrayBufferView | readonly unknown[]): number {
  return data instanceof DataView ? data.byteLength : (data as ArrayLike<unknown>).length;
}
