import type { InterfaceDeclarationStructure, OptionalKind } from "ts-morph";
import type { DescribedDim } from "./description.ts";
import { union, type Layout } from "./layout.ts";

/** A declaration of a module's types. */
export type Declaration =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "interface"; readonly interface: OptionalKind<InterfaceDeclarationStructure> }
  | {
      readonly kind: "alias";
      readonly name: string;
      /** Type parameters, such as `Size extends number`. */
      readonly parameters?: readonly string[];
      readonly doc: string;
      readonly isExported: boolean;
      readonly text: string;
    };

/** An alias of a union, laid out behind its name. */
export function alias(
  name: string,
  doc: string,
  members: readonly Layout[],
  { isExported = true, parameters = [] as readonly string[] } = {},
): Declaration {
  const generic = parameters.length === 0 ? "" : `<${parameters.join(", ")}>`;
  const head = `${isExported ? "export " : ""}type ${name}${generic} = `;
  return { kind: "alias", name, parameters, doc, isExported, text: union(members, head.length) };
}

/**
 * Dimensions as a type: `readonly [batch_size: number, 2, past_sequence_length: number, 32]`.
 *
 * @param size what a dimension is that is no number
 */
export function dimsLayout(
  dims: readonly DescribedDim[] | null,
  size: (dim: string) => string = () => "number",
): Layout {
  if (dims === null) return "readonly number[]";
  const items = dims.map((dim) => {
    if (typeof dim === "number") return String(dim);
    return /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(dim) ? `${dim}: ${size(dim)}` : size(dim);
  });
  return { ...{ open: "readonly [", close: "]" }, items };
}
