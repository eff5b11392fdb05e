import type { DescribedAdapter, DescribedDim, DescribedTensor, GraphDescription } from "./description.ts";
import { alias, dimsLayout, type Declaration } from "./declaration.ts";
import { elementType } from "./element-types.ts";
import { comment, generic, key, list, memberType, quoted, type Layout } from "./layout.ts";
import { dimsText, nameType, type NumberTypes } from "./names.ts";
import { families } from "./numbered.ts";

/** Whether a slot's adapter may have any size: then nothing need be fed for it, which is an adapter of size zero. */
export function isSizable({ slot, tensors }: DescribedAdapter): boolean {
  return tensors.some(({ shape }) => shape.some((dim) => isSize(dim, slot)));
}

/** Whether a dimension is a slot's size by itself: `model.layers.0.mlp.rank`, and not a multiple of it. */
function isSize(dim: DescribedDim, slot: string): boolean {
  return typeof dim === "string" && dim.startsWith(`${slot}.`) && !dim.includes(" ");
}

/** Types of the adapters: one for all that have the same tensors, and which is at which place. */
export function adapterTypes(graph: GraphDescription, numbers: NumberTypes): readonly Declaration[] {
  const shapes = new Map<string, { readonly name: string; readonly adapter: DescribedAdapter }>();
  const counts = new Map<string, number>();
  for (const adapter of graph.adapters) {
    const id = shapeKey(adapter);
    if (shapes.has(id)) continue;
    const count = (counts.get(adapter.kind) ?? 0) + 1;
    counts.set(adapter.kind, count);
    const name = `${adapter.kind.slice(0, 1).toUpperCase()}${adapter.kind.slice(1)}${count === 1 ? "" : count}`;
    shapes.set(id, { name, adapter });
  }
  const sized = graph.adapters.some(isSizable);
  const entries = families(
    graph.adapters,
    ({ slot }) => slot,
    (adapter) => shapeKey(adapter),
  ).map((family): Layout => {
    const shape = shapes.get(shapeKey(family.first));
    const type = `${shape?.name ?? "never"}${isSizable(family.first) ? "<Size>" : ""}`;
    return list([nameType(family, ({ slot }) => slot, numbers), type]);
  });
  return [
    ...[...shapes.values()].map(({ name, adapter }) => shapeType(name, adapter)),
    ...placeTypes(entries, sized, graph),
  ];
}

/** The same text of all adapters that have the same tensors. */
function shapeKey({ slot, kind, tensors }: DescribedAdapter): string {
  const shown = tensors.map(({ part, type, shape }) => [
    ...[part, type],
    ...shape.map((dim) => (typeof dim === "string" ? dim.replaceAll(`${slot}.`, "") : dim)),
  ]);
  return JSON.stringify([kind, shown]);
}

function shapeType(name: string, adapter: DescribedAdapter): Declaration {
  return {
    kind: "interface",
    interface: {
      name,
      isExported: true,
      docs: [`An adapter of the kind ${comment(adapter.kind)}.`],
      typeParameters: isSizable(adapter) ? [{ name: "Size", constraint: "number", default: "number" }] : [],
      properties: adapter.tensors.map((tensor) => ({
        name: key(tensor.part),
        type: memberType(valuesType(tensor, adapter.slot), key(tensor.part)),
        isReadonly: true,
        docs: [tensorText(tensor, adapter.slot)],
      })),
    },
  };
}

function valuesType({ type, shape }: DescribedTensor, slot: string): Layout {
  // Labels would differ from slot to slot.
  const dims = shape.map((dim) => (typeof dim === "string" && isSize(dim, slot) ? `${slot}.` : dim));
  return generic("Values", [
    quoted(elementType(type).ort),
    dimsLayout(dims, (dim) => (dim === `${slot}.` ? "Size" : "number")),
  ]);
}

function tensorText({ type, shape, isCoefficient }: DescribedTensor, slot: string): string {
  const dims = shape.map((dim) => (typeof dim === "string" ? dim.replaceAll(`${slot}.`, "") : dim));
  return comment(`${isCoefficient ? "A number: " : ""}${type}${dimsText(dims)}`);
}

function placeTypes(
  entries: readonly Layout[],
  sized: boolean,
  { residence }: GraphDescription,
): readonly Declaration[] {
  const where =
    residence === "inputs" || residence === "optional-inputs" ? "are inputs" : "are in the model's files";
  const size = sized ? "Size extends number = number" : "";
  const open = sized ? `<${size}>` : "";
  const given = sized ? "<Size>" : "";
  const object =
    entries.length === 0
      ? "Readonly<Record<never, never>>"
      : `{\n  readonly [One in AdapterEntry${given} as One[0]]: One[1];\n}`;
  const one = sized
    ? `Adapter<\n  Name extends Slot,\n  ${size},\n> = Adapters<Size>[Name]`
    : "Adapter<Name extends Slot> = Adapters[Name]";
  return [
    ...(entries.length === 0
      ? []
      : [
          alias("AdapterEntry", "", entries, {
            isExported: false,
            parameters: sized ? ["Size extends number"] : [],
          }),
        ]),
    {
      kind: "text",
      text: `/** Adapters by the places that they are beside. Their weights ${where}. */\nexport type Adapters${open} = ${object};`,
    },
    alias("Slot", "Places of adapters.", ["keyof Adapters"]),
    { kind: "text", text: `/** The adapter of one place. */\nexport type ${one};` },
  ];
}
