import { adapterKinds } from "../adapters/index.ts";
import { toHalf } from "../ir/scalar.ts";
import { isSizable } from "./adapter-types.ts";
import type { DescribedAdapter, DescribedPort, DescribedTensor, GraphDescription } from "./description.ts";
import { elementType } from "./element-types.ts";
import { list, quoted, written, type Layout } from "./layout.ts";
import { families, runsOf, type Family } from "./numbered.ts";

/** Marks that may stand for the number in a family's names; the first that no name has is taken. */
const marks = ["#", "@", "%", "&", "~", "<n>", "<number>"];

/** The mark for the number in the names of a graph's tables. */
export function markOf({ inputs, adapters }: GraphDescription): string {
  const names = [
    ...inputs.flatMap(({ name, dims }) => [name, ...(dims ?? []).map(String)]),
    ...adapters.map(({ slot }) => slot),
  ];
  return marks.find((mark) => !names.some((name) => name.includes(mark))) ?? "<n\u0001>";
}

/** The table of inputs that a run is checked by: name, element type, dimensions, and numbers of what is a family. */
export function inputTable(graph: GraphDescription, head: number): string {
  const mark = markOf(graph);
  const rows = families(
    graph.inputs,
    ({ name }) => name,
    ({ type, dims, isOptional }, around) => around(`${type ?? ""} ${isOptional} ${JSON.stringify(dims)}`),
  ).map((family): Layout => {
    const { first } = family;
    const dims = first.dims?.map((dim) =>
      typeof dim === "number" ? String(dim) : marked(dim, family, nameOf, mark),
    );
    return list([
      marked(first.name, family, nameOf, mark),
      first.type === null ? "null" : quoted(elementType(first.type).ort),
      dims === undefined ? "null" : list(dims),
      String(first.isOptional),
      ...numbersOf(family),
    ]);
  });
  return written(list(rows, rows.length > 1), head, 0);
}

function nameOf({ name }: DescribedPort): string {
  return name;
}

/** The table of adapters that are inputs: slot, parts with what a number is where nothing is added, and numbers. */
export function slotTable(graph: GraphDescription, head: number): string {
  const mark = markOf(graph);
  const fed = graph.adapters.filter(({ tensors }) => tensors.some(({ isInput }) => isInput));
  const rows = families(
    fed,
    ({ slot }) => slot,
    (adapter) => JSON.stringify(adapter.tensors.map(({ part, isCoefficient }) => [part, isCoefficient])),
  ).map((family): Layout => {
    const { first } = family;
    return list([
      marked(first.slot, family, ({ slot }) => slot, mark),
      list(first.tensors.map((tensor) => partOf(tensor, first))),
      String(isSizable(first)),
      ...numbersOf(family),
    ]);
  });
  return written(list(rows, rows.length > 1), head, 0);
}

/** A leaf's name, or a coefficient's with the number that it is beside an adapter of size zero. */
function partOf({ part, type, isCoefficient }: DescribedTensor, { kind }: DescribedAdapter): Layout {
  if (!isCoefficient) return quoted(part);
  const neutral = adapterKinds.get(kind)?.neutral[part] ?? 1;
  return list([quoted(part), String(type === "float16" ? toHalf(neutral) : neutral)]);
}

function numbersOf<T>({ around, numbers }: Family<T>): readonly Layout[] {
  if (around === null) return [];
  return [list(runsOf(numbers).flatMap((run) => run.map(String)))];
}

/** A text with the mark in place of a family's number. */
function marked<T>(
  text: string,
  { around, first }: Family<T>,
  name: (item: T) => string,
  mark: string,
): string {
  if (around === null) return quoted(text);
  const [before, behind] = around;
  const of = name(first);
  const number = of.slice(before.length, of.length - behind.length);
  const numbered = `${before}${number}`;
  return quoted(
    text.replaceAll(numbered, (match, offset: number) =>
      /^\d/.test(text.slice(offset + match.length)) ? match : `${before}${mark}`,
    ),
  );
}
