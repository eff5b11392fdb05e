import type { DType } from "../../compiler/ir/dtype.ts";
import type { Provider } from "../../compiler/ops/providers.ts";

/** The types that models are exported in or converted to, the widest first. */
const types = ["float", "float16", "bfloat16"] as const satisfies readonly DType[];

/**
 * What to do where a provider has a kernel, and not for a model's type, as an instruction. Only float32 is converted:
 * what is of another type already, or was made that, is made otherwise by another run or another export.
 *
 * @param hasKernel whether there is one for a type
 * @param elsewhere providers that have one for the model's own
 * @returns null where it has a kernel for none of the types
 */
export function otherType(
  hasKernel: (dtype: DType) => boolean,
  elsewhere: readonly Provider[],
): string | null {
  const fitting = types.filter(hasKernel).map((dtype) => (dtype === "float" ? "float32" : dtype));
  if (fitting.length === 0) return null;
  const there = elsewhere.map((provider) => `, or compile \`for: ${provider}\``).join("");
  return `have it computed in ${fitting.join(" or ")}, by another \`dtype\` or another export${there}`;
}
