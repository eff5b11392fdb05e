import { initialBytes } from "../../compiler/adapters/init.ts";
import type { AdapterKind, Form, Init, Leaf } from "../../compiler/adapters/kind.ts";
import type { Width } from "../../compiler/sites/places.ts";
import { resizeLeaf, resizedShape } from "../../compiler/adapters/resize.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { byteSize, type DType } from "../../compiler/ir/dtype.ts";
import { madeBy, type Loc } from "../../compiler/ir/entity.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { tensorType, type Dim } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { coefficientsIn } from "../../compiler/weights/coefficients.ts";
import { convert } from "../../compiler/weights/convert.ts";
import { checkFinite } from "../../compiler/weights/finite.ts";
import type { Assignment, Member } from "./_assign.ts";

/** Where the weights of adapters are. */
export const residences = ["baked", "inputs", "bank"] as const;
export type Residence = (typeof residences)[number];

/**
 * Makes the values that adapters read: initializers, graph inputs of any size, or stacks of several adapters. Two
 * places of one name (the branches of a merged decoder) share theirs.
 */
export class AdapterValues {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #residence: Residence;
  readonly #loc: Loc;
  readonly #first: (leaf: Leaf) => Init;
  readonly #made = new Map<string, readonly Value[]>();
  readonly #numbers = new Map<string, Value>();
  /** Elements of all leaves made. */
  parameters = 0;

  constructor(
    model: Model,
    rw: Rewriter,
    residence: Residence,
    options: {
      readonly pass: string;
      /** What fresh leaves begin with; what the kind says, unless given. */
      readonly first?: (leaf: Leaf) => Init;
    },
  ) {
    this.#model = model;
    this.#rw = rw;
    this.#residence = residence;
    this.#loc = madeBy(options.pass, []);
    this.#first = options.first ?? (({ init }) => init);
  }

  /** The values at a place, in the order in which the kind's function takes them behind x and adapter_ids. */
  at(name: string, width: Width, assignment: Assignment, form: Form): readonly Value[] {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const values =
      this.#residence === "bank"
        ? this.#stacked(name, width, assignment, form)
        : this.#single(name, width, assignment);
    this.#made.set(name, values);
    return values;
  }

  #single(name: string, width: Width, { kind, members }: Assignment): Value[] {
    const member = members[0] ?? null;
    if (member === null || members.length !== 1) throw new Error(`${members.length} adapters at ${name}`);
    const leaves = leavesOf(kind, width, member, name).map((leaf) => {
      const full = `${name}.${leaf.name}`;
      const tensor = deferred(width.dtype, leaf.shape, () =>
        leafBytes(this.#fresh(leaf), member, width.dtype, full),
      );
      this.parameters += tensor.size;
      if (this.#residence === "baked") return this.#initializer(full, tensor);
      return this.#input(full, width.dtype, symbolicShape(leaf, name, kind.size), tensor);
    });
    const coefficients = [...coefficientsOf(kind, width, member, name)].map(([coefficient, number]) => {
      if (this.#residence === "baked")
        return this.#number(`${kind.name}.${coefficient}`, width.dtype, [number]);
      const full = `${name}.${coefficient}`;
      return this.#input(full, width.dtype, [1], tensorOf(width.dtype, [1], [number]));
    });
    return [...leaves, ...coefficients];
  }

  /** Leaves `[members + 1, …]`, filled up to the largest member's size; the last member is all zeros. */
  #stacked(name: string, width: Width, { kind, members, settings }: Assignment, form: Form): Value[] {
    const sizes = members.map((member) => (member === null ? 0 : sizeOf(kind, member.settings)));
    const largest = Math.max(...sizes);
    const own = members.map((member) => (member === null ? null : leavesOf(kind, width, member, name)));
    const widest = own.find((_, i) => sizes[i] === largest) ?? null;
    if (widest === null) throw new Error(`an empty bank at ${name}`);
    const stacks = widest.map((leaf, index) => {
      const full = `${name}.${leaf.name}`;
      const shape = [members.length + 1, ...leaf.shape];
      const produce = (): Uint8Array => {
        const slice = (byteSize(width.dtype, 1) ?? 0) * leaf.shape.reduce((a, b) => a * b, 1);
        const bytes = new Uint8Array(slice * (members.length + 1));
        members.forEach((member, i) => {
          const one = own[i]?.[index];
          if (member === null || one === undefined) return;
          const numbers = leafBytes(this.#fresh(one), member, width.dtype, full);
          bytes.set(padded(numbers, one, width.dtype, sizes[i] ?? 0, largest), i * slice);
        });
        return bytes;
      };
      const tensor = deferred(width.dtype, shape, produce);
      this.parameters += tensor.size;
      return this.#initializer(full, tensor);
    });
    const padding = form === "single" ? null : kind.padding(settings);
    const bias =
      padding === null
        ? []
        : [this.#padding(`${name}.${padding.name}`, width.dtype, sizes, largest, padding.pad)];
    const given = members.map((member) =>
      member === null ? null : coefficientsOf(kind, width, member, name),
    );
    const coefficients = Object.keys(kind.coefficients(settings)).map((coefficient) => {
      const numbers = given.map((of) => of?.get(coefficient) ?? 1);
      return this.#number(`${kind.name}.${coefficient}`, width.dtype, [...numbers, 1]);
    });
    return [...stacks, ...bias, ...coefficients];
  }

  #fresh(leaf: Leaf): Leaf {
    return { ...leaf, init: this.#first(leaf) };
  }

  #padding(name: string, dtype: DType, sizes: readonly number[], largest: number, pad: number): Value {
    // A member without anything here, and the zeros behind the last one, add zeros whatever they weigh.
    const rows = [...sizes, 0].flatMap((size) =>
      Array.from({ length: largest }, (_, i) => (size === 0 || i < size ? 0 : pad)),
    );
    return this.#initializer(name, tensorOf(dtype, [sizes.length + 1, largest], rows));
  }

  /** Small numbers, one initializer for all that are equal. */
  #number(name: string, dtype: DType, numbers: readonly number[]): Value {
    const key = `${name} ${dtype} ${numbers.join(" ")}`;
    const known =
      this.#numbers.get(key) ?? this.#initializer(name, tensorOf(dtype, [numbers.length], numbers));
    this.#numbers.set(key, known);
    return known;
  }

  /** Inner graphs read outer initializers, and only the main graph's are shared by all who load the model. */
  #initializer(name: string, tensor: Tensor): Value {
    const value = this.#rw.value(this.#loc, name, tensorType(tensor.dtype, tensor.shape), tensor);
    return this.#rw.addInitializer(this.#model.graph, value);
  }

  #input(name: string, dtype: DType, shape: readonly Dim[], initial: Tensor): Value {
    const value = this.#rw.value(this.#loc, name, tensorType(dtype, shape));
    this.#rw.setInitial(value, initial);
    this.#rw.addInput(this.#model.graph, value);
    return value;
  }
}

function deferred(dtype: DType, shape: readonly number[], produce: () => Uint8Array): Tensor {
  return new Tensor(dtype, shape, { kind: "deferred", file: "adapters", produce });
}

function sizeOf(kind: AdapterKind, settings: object): number {
  return (settings as Readonly<Record<string, number>>)[kind.size] ?? 0;
}

/** The leaves that a member has at a place. @throws TfcError ADAPTER_LEAF_SHAPE for given ones of other shapes */
function leavesOf(
  kind: AdapterKind,
  width: Width,
  { settings, given }: Member,
  place: string,
): readonly Leaf[] {
  const leaves = kind.leaves(width, settings);
  if (given === null) return leaves;
  for (const { name, shape } of leaves) {
    const found = given.part.leaves.get(name);
    const leaf = { file: given.file, name: `${place}.${name}` };
    if (found === undefined)
      throw inputError("ADAPTER_LEAF_MISSING", leaf, { kind: kind.name, missing: [name] });
    if (found.shape.join() !== shape.join()) {
      throw inputError("ADAPTER_LEAF_SHAPE", leaf, { wanted: shape.join(), found: found.shape.join() });
    }
  }
  return leaves;
}

/** The coefficients of a member at a place. @throws TfcError ADAPTER_FACTOR_TOO_LARGE */
function coefficientsOf(
  kind: AdapterKind,
  { dtype }: Width,
  { settings, given }: Member,
  place: string,
): ReadonlyMap<string, number> {
  return coefficientsIn(dtype, kind, settings, { ...(given && { file: given.file }), name: place });
}

function leafBytes(leaf: Leaf, { given, seed }: Member, dtype: DType, name: string): Uint8Array {
  const size = leaf.shape.reduce((a, b) => a * b, 1);
  const tensor = given?.part.leaves.get(leaf.name);
  if (given === null || tensor === undefined) return initialBytes(leaf.init, dtype, size, seed, name);
  const bytes = tensor.bytes();
  checkFinite({ file: given.file, name }, tensor.dtype, bytes);
  const converted = convert(bytes, tensor.dtype, dtype);
  if (tensor.dtype !== dtype) checkFinite({ file: given.file, name }, dtype, converted);
  return converted;
}

function padded(bytes: Uint8Array, leaf: Leaf, dtype: DType, from: number, to: number): Uint8Array {
  if (leaf.grows === null || from === to) return bytes;
  return resizeLeaf(bytes, { ...leaf.grows, elementSize: byteSize(dtype, 1) ?? 1 }, from, to);
}

/** The leaf's shape with a symbol where its size is: a session takes adapters of any. */
function symbolicShape(leaf: Leaf, place: string, size: string): readonly Dim[] {
  const { grows } = leaf;
  if (grows === null) return leaf.shape;
  const one = resizedShape(leaf, sizeIn(leaf), 1)[grows.axis] ?? 1;
  const symbol = `${place}.${size}`;
  return leaf.shape.map((dim, i) => (i !== grows.axis ? dim : one === 1 ? symbol : `${one} * ${symbol}`));
}

/** The size that a leaf's shape has. */
function sizeIn({ shape, grows }: Leaf): number {
  const all = shape.reduce((a, b) => a * b, 1);
  return grows === null ? 1 : all / (grows.outer * grows.inner);
}
