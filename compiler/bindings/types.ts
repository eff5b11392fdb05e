import type { OptionalKind, PropertySignatureStructure } from "ts-morph";
import type { DescribedInput, DescribedPort, GraphDescription } from "./description.ts";
import { adapterTypes } from "./adapter-types.ts";
import { alias, dimsLayout, type Declaration } from "./declaration.ts";
import { elementType, HALF_ARRAY } from "./element-types.ts";
import { comment, generic, key, list, memberType, quoted, type Layout } from "./layout.ts";
import { dimsText, layerNumbers, nameType, nameTypes, NumberTypes } from "./names.ts";
import { families, type Family } from "./numbered.ts";

const TENSOR = `/** A tensor of onnxruntime-node or onnxruntime-web. */
export interface Tensor<
  Type extends keyof Elements,
  Dims extends readonly number[] = readonly number[],
> {
  readonly type: Type;
  readonly dims: Dims;
  readonly data: Elements[Type];
  readonly location: string;
  getData(releaseData?: boolean): Promise<Elements[Type]>;
  dispose(): void;
}`;

const VALUES = `/** Elements in row-major order, as many as the product of \`dims\`. */
export interface Values<
  Type extends keyof Elements,
  Dims extends readonly number[] = readonly number[],
> {
  readonly dims: Dims;
  readonly data: Elements[Type];
}`;

/** What a graph's module declares: every type that speaks of its inputs, outputs, layers and adapters. */
export function declarationsOf(graph: GraphDescription): readonly Declaration[] {
  const numbers = new NumberTypes(layerNumbers(graph));
  const ports = [...inputTypes(graph, numbers), ...outputTypes(graph, numbers)];
  const adapters = adapterTypes(graph, numbers);
  const modules = moduleTypes(graph, numbers);
  const symbols = alias(
    "SymbolicDim",
    "Dimensions that have names: each is one number in a run.",
    nameTypes(graph.symbols, numbers),
  );
  return [
    ...elements(graph),
    ...[...numbers.sets].map(([name, set]) =>
      alias(name, name === "LayerIndex" ? "Numbers of the layers." : "Numbers in names.", set.map(String), {
        isExported: name === "LayerIndex",
      }),
    ),
    ...modules,
    symbols,
    ...ports,
    ...adapters,
    ...(graph.residence === "bank"
      ? [alias("Member", "Names of the bank's adapters.", graph.members.map(quoted))]
      : []),
  ];
}

/** The element types that the graph has, and what a tensor of one is. */
function elements(graph: GraphDescription): readonly Declaration[] {
  const tensors = graph.adapters.flatMap((adapter) => adapter.tensors);
  const types = [...graph.inputs, ...graph.outputs, ...tensors].flatMap(({ type }) => type ?? []);
  const used = [...new Set(types)].map(elementType).sort((a, b) => (a.ort < b.ort ? -1 : 1));
  const half: Declaration[] = used.some(({ ort }) => ort === "float16")
    ? [{ kind: "text", text: HALF_ARRAY }]
    : [];
  return [
    ...half,
    {
      kind: "interface",
      interface: {
        name: "Elements",
        isExported: true,
        docs: ["Arrays of elements, by what onnxruntime calls their type."],
        properties: used.map(({ ort, array }) => ({ name: key(ort), type: array, isReadonly: true })),
      },
    },
    { kind: "text", text: TENSOR },
    { kind: "text", text: VALUES },
    ...used.map((type) => alias(type.alias, "", [`Tensor<${quoted(type.ort)}>`])),
  ];
}

/** Names of layers, and of what is in them. */
function moduleTypes({ layers }: GraphDescription, numbers: NumberTypes): readonly Declaration[] {
  const modules = layers.flatMap((layer) => layer.modules);
  const projections = modules.flatMap(({ name, projections }) =>
    projections.map((part) => `${name}.${part}`),
  );
  const names = (list: readonly string[]): readonly Layout[] => nameTypes([...new Set(list)], numbers);
  return [
    alias("LayerName", "Layers of the decoder.", names(layers.map(({ name }) => name))),
    alias(
      "ModuleName",
      "Modules of the layers, and the projections in them.",
      names([...modules.map(({ name }) => name), ...projections]),
    ),
  ];
}

/** What an input means, in words. */
const roles: Partial<Record<DescribedInput["role"], string>> = {
  tokens: "Token ids",
  mask: "1 where a token may be attended to",
  positions: "Where each token stands in its text",
  past: "Keys or values of the tokens before",
  pages: "A paged cache of keys or values",
  total: "Tokens of each row, those before and new ones",
  pastLength: "Tokens before, of each row",
  lastIndex: "Index of the last token of each row",
  blockTable: "Blocks of the paged cache that hold each row",
  logitRows: "Positions whose logits are wanted",
  logitCount: "Of how many of the last tokens logits are wanted, 0 for all",
  usesCache: "Whether the cache is read",
};

function inputTypes({ inputs }: GraphDescription, numbers: NumberTypes): readonly Declaration[] {
  const required = portTypes(
    inputs.filter((port) => !port.isOptional),
    numbers,
    "Input",
    false,
  );
  const optional = portTypes(
    inputs.filter((port) => port.isOptional),
    numbers,
    "Optional",
    true,
  );
  const all = [required, optional];
  return [
    ...all.flatMap(({ families }) => families),
    {
      kind: "interface",
      interface: {
        name: "Inputs",
        isExported: true,
        docs: ["What a run takes. Those that may be left out have defaults in the graph."],
        extends: all.flatMap(({ extended }) => extended),
        properties: all.flatMap(({ properties }) => properties),
      },
    },
    alias("InputName", "Names of the inputs.", ["keyof Inputs"]),
    {
      kind: "interface",
      interface: {
        name: "InputDims",
        isExported: true,
        docs: ["Dimensions of each input."],
        extends: all.flatMap(({ extendedDims }) => extendedDims),
        properties: all.flatMap(({ dims }) => dims),
      },
    },
  ];
}

function outputTypes({ outputs }: GraphDescription, numbers: NumberTypes): readonly Declaration[] {
  const { families: named, properties, extended } = portTypes(outputs, numbers, "Output", false);
  return [
    ...named,
    {
      kind: "interface",
      interface: {
        name: "Outputs",
        isExported: true,
        docs: ["What a run gives."],
        extends: [...extended],
        properties: [...properties],
      },
    },
    alias("OutputName", "Names of the outputs.", ["keyof Outputs"]),
  ];
}

type Property = OptionalKind<PropertySignatureStructure>;

interface PortTypes {
  /** The types of names that differ by a number. */
  readonly families: readonly Declaration[];
  readonly properties: readonly Property[];
  readonly dims: readonly Property[];
  readonly extended: readonly string[];
  readonly extendedDims: readonly string[];
}

/** Types of inputs or outputs: members of an interface, and of numbered ones what it extends. */
function portTypes<P extends DescribedPort>(
  ports: readonly P[],
  numbers: NumberTypes,
  what: string,
  isOptional: boolean,
): PortTypes {
  const found = families(
    ports,
    ({ name }) => name,
    ({ type, dims }, around) => around(`${type ?? ""} ${JSON.stringify(dims)}`),
  );
  const single = found.filter(({ around }) => around === null).map(({ first }) => first);
  const many = found.filter(({ around }) => around !== null);
  const isOutput = what === "Output";
  const property = (port: P, type: Layout): Property => ({
    name: key(port.name),
    type: memberType(type, key(port.name), isOptional),
    isReadonly: true,
    hasQuestionToken: isOptional,
    docs: [portText(port)],
  });
  return {
    families: many.length === 0 ? [] : numbered(many, numbers, what, isOptional),
    properties: single.map((port) => property(port, isOutput ? outputTensor(port) : inputTensor(port))),
    dims: single.map((port) => ({
      name: key(port.name),
      type: memberType(dimsLayout(port.dims), key(port.name)),
      isReadonly: true,
    })),
    extended: many.length === 0 ? [] : [`Numbered${what}s`],
    extendedDims: many.length === 0 || isOutput ? [] : [`Numbered${what}Dims`],
  };
}

/** Numbered names as a union of name, element type and dimensions, and objects made of it. */
function numbered<P extends DescribedPort>(
  many: readonly Family<P>[],
  numbers: NumberTypes,
  what: string,
  isOptional: boolean,
): readonly Declaration[] {
  const entries = many.map((family) => {
    const { first } = family;
    const type = first.type === null ? "never" : quoted(elementType(first.type).ort);
    return list([nameType(family, ({ name }) => name, numbers), type, dimsLayout(first.dims)]);
  });
  const shapes = many.map(({ first }) => `\n- \`${comment(first.name)}\`, …: ${portText(first)}`).join("");
  const object = (name: string, type: string, mark = ""): Declaration => ({
    kind: "alias",
    ...{ name, doc: "", isExported: false },
    text: `{\n  readonly [One in Numbered${what} as One[0]]${mark}: ${type};\n}`,
  });
  return [
    alias(`Numbered${what}`, `Name, element type and dimensions:${shapes}`, entries, { isExported: false }),
    ...(what === "Output"
      ? [object("NumberedOutputs", "Tensor<One[1], One[2]>")]
      : [
          object(`Numbered${what}s`, "Tensor<One[1]>", isOptional ? "?" : ""),
          object(`Numbered${what}Dims`, "One[2]"),
        ]),
  ];
}

function portText(port: DescribedPort & { readonly role?: DescribedInput["role"] }): string {
  const meaning = port.role === undefined ? undefined : roles[port.role];
  const type = port.type === null ? "no tensor" : `${port.type}${dimsText(port.dims)}`;
  return comment(meaning === undefined ? type : `${meaning}: ${type}`);
}

function inputTensor({ type }: DescribedPort): Layout {
  return type === null ? "unknown" : elementType(type).alias;
}

function outputTensor({ type, dims }: DescribedPort): Layout {
  return type === null ? "unknown" : generic("Tensor", [quoted(elementType(type).ort), dimsLayout(dims)]);
}
