/**
 * What a module of bindings does when it runs, beside its types and tables. It is text and imports nothing, so that a
 * project needs neither tfc nor a certain onnxruntime at run time.
 */
export const RUN_TEXT = `/** A session of onnxruntime-node or onnxruntime-web. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(
    feeds: Readonly<Record<string, unknown>>,
    fetches: readonly string[],
    options?: object,
  ): Promise<Readonly<Record<string, unknown>>>;
}

/** The class \`Tensor\` of onnxruntime-node or onnxruntime-web. */
export type TensorClass = abstract new (...parts: never) => object;

type TypeOf<Name extends InputName> =
  Required<Inputs>[Name] extends Tensor<infer Type> ? Type : never;

/**
 * Runs the graph.
 *
 * @param fetch names of the outputs that are wanted, all by default
 * @param options of onnxruntime for this run
 * @returns a promise, which is rejected before anything runs, with a TypeError, where an input is missing, is not
 *   of this graph or session, or is no tensor of its type, and with a RangeError where its dimensions are not the
 *   graph's or do not go together with another input's. What is not a tensor in the graph, and dimensions that are
 *   no sums or products of known ones, are left to onnxruntime; so are names in \`fetch\`.
 */
export async function run<Name extends OutputName = OutputName>(
  session: Session,
  inputs: Inputs,
  fetch?: readonly Name[],
  options: object = {},
): Promise<Pick<Outputs, Name>> {
  checkInputs(session, inputs);
  const names: readonly string[] = fetch ?? session.outputNames;
  const results = await session.run({ ...inputs }, names, options);
  return results as unknown as Pick<Outputs, Name>;
}

/** Makes an input of elements, with its type and dimensions checked. */
export function tensor<Name extends InputName>(
  Tensor: TensorClass,
  name: Name,
  data: Elements[TypeOf<Name>],
  dims: InputDims[Name],
): Tensor<TypeOf<Name>, InputDims[Name]> {
  const type = portNamed(name).type ?? "";
  const made = construct(Tensor, type, data, dims as readonly number[]);
  return made as Tensor<TypeOf<Name>, InputDims[Name]>;
}

interface Port {
  readonly name: string;
  readonly type: string | null;
  /** Sizes, and names of what is one number in a run; null for any rank. */
  readonly dims: readonly (number | string)[] | null;
  readonly isOptional: boolean;
}

type Row = readonly [
  name: string,
  type: string | null,
  dims: readonly (number | string)[] | null,
  isOptional: boolean,
  numbers?: readonly number[],
];

const ports: ReadonlyMap<string, Port> = new Map(
  inputTable.flatMap(([name, type, dims, isOptional, numbers]) =>
    numbersIn(numbers).map((number): [string, Port] => {
      const own = numbered(name, number);
      const sizes = dims?.map((dim) =>
        typeof dim === "string" ? numbered(dim, number) : dim,
      );
      return [own, { name: own, type, dims: sizes ?? null, isOptional }];
    }),
  ),
);

/** Numbers of runs, each written as its first and its last. */
function numbersIn(runs?: readonly number[]): readonly (number | null)[] {
  if (runs === undefined) return [null];
  return runs.flatMap((first, i) =>
    i % 2 === 1
      ? []
      : Array.from(
          { length: (runs[i + 1] ?? first) - first + 1 },
          (_, n) => first + n,
        ),
  );
}

function numbered(text: string, number: number | null): string {
  return number === null ? text : text.replaceAll(MARK, String(number));
}

function portNamed(name: string): Port {
  const port = ports.get(name);
  if (port === undefined) throw new TypeError(\`no input "\${name}"\`);
  return port;
}

function construct(
  Tensor: TensorClass,
  type: string,
  data: unknown,
  dims: readonly number[],
): unknown {
  const Made = Tensor as unknown as new (
    type: string,
    data: unknown,
    dims: readonly number[],
  ) => object;
  return new Made(type, data, dims);
}

type Sizes = Map<string, { readonly size: number; readonly of: string }>;

function checkInputs(session: Session, inputs: object): void {
  const taken = new Set(session.inputNames);
  const given = new Map<string, unknown>(Object.entries(inputs));
  for (const name of given.keys()) portNamed(name);
  const fed: { readonly port: Port; readonly dims: readonly number[] }[] = [];
  const sizes: Sizes = new Map();
  for (const port of ports.values()) {
    const value = given.get(port.name);
    if (value === undefined && port.isOptional) continue;
    if (value === undefined)
      throw new TypeError(\`input "\${port.name}" is missing\`);
    if (!taken.has(port.name)) throw new TypeError(untaken(port));
    if (port.type === null) continue;
    fed.push({ port, dims: dimsOf(port, value, sizes) });
  }
  for (const { port, dims } of fed) checkComputed(port, dims, sizes);
}

function untaken({ name, isOptional }: Port): string {
  return isOptional
    ? \`input "\${name}" has a default, and onnxruntime's JavaScript binding does not take another value: compile with inputs that must be fed\`
    : \`the session has no input "\${name}": it is of another graph\`;
}

/** The dimensions of a tensor that is fed, checked; its symbols go to \`sizes\`. */
function dimsOf(
  { name, type, dims: wanted }: Port,
  value: unknown,
  sizes: Sizes,
): readonly number[] {
  const { type: found, dims } = value as Partial<Tensor<keyof Elements>>;
  if (found !== type || dims === undefined)
    throw new TypeError(
      \`input "\${name}" is \${found ?? "no tensor"}, wanted \${type}\`,
    );
  if (wanted === null) return dims;
  const shape = \`input "\${name}" is [\${dims.join(", ")}], wanted [\${wanted.join(", ")}]\`;
  if (dims.length !== wanted.length) throw new RangeError(shape);
  wanted.forEach((dim, axis) => {
    const size = dims[axis] ?? 0;
    if (typeof dim === "number" && dim !== size) throw new RangeError(shape);
    if (typeof dim === "number" || dim === "" || isComputed(dim)) return;
    const known = sizes.get(dim);
    if (known === undefined) sizes.set(dim, { size, of: name });
    else if (known.size !== size)
      throw new RangeError(
        \`\${shape}: \${dim} is \${size} here and \${known.size} in "\${known.of}"\`,
      );
  });
  return dims;
}

function isComputed(dim: string): boolean {
  return dim.includes(" + ") || dim.includes(" * ");
}

/** Checks dimensions such as \`past_sequence_length + sequence_length\`. */
function checkComputed(
  { name, dims: wanted }: Port,
  dims: readonly number[],
  sizes: Sizes,
): void {
  wanted?.forEach((dim, axis) => {
    if (typeof dim === "number" || !isComputed(dim)) return;
    const size = computed(dim, sizes);
    if (size !== null && size !== dims[axis])
      throw new RangeError(
        \`input "\${name}" is [\${dims.join(", ")}], wanted [\${wanted.join(", ")}]: \${dim} is \${size}\`,
      );
  });
}

/** A sum of products of symbols and numbers; null where it is something else. */
function computed(dim: string, sizes: Sizes): number | null {
  let sum = 0;
  for (const term of dim.split(" + ")) {
    let product = 1;
    for (const factor of term.split(" * ")) {
      const size = /^\\d+$/.test(factor)
        ? Number(factor)
        : sizes.get(factor)?.size;
      if (size === undefined) return null;
      product *= size;
    }
    sum += product;
  }
  return sum;
}
`;
