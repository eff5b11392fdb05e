import { initialPieces } from "../../compiler/adapters/init.ts";
import { OPTIONAL_INPUTS, takesInputs } from "../../compiler/adapters/description.ts";
import { derived, leastNorm } from "../../compiler/adapters/dora.ts";
import type { AdapterKind, Form, Leaf } from "../../compiler/adapters/kind.ts";
import { resizeLeaf, resizedShape } from "../../compiler/adapters/resize.ts";
import { byteSize, type DType } from "../../compiler/ir/dtype.ts";
import { madeBy, type Loc } from "../../compiler/ir/entity.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { joined, type Pieces } from "../../compiler/ir/pieces.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { tensorType, type Dim } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { convert, encodeNumbers, numbersOf } from "../../compiler/weights/convert.ts";
import { checkFinite, checkRange } from "../../compiler/weights/finite.ts";
import { sizeOf as elementsOf, type WeightTensor } from "../../compiler/weights/weight.ts";
import type { Member } from "./_assign.ts";
import type { BaseWeight } from "./_base-weight.ts";
import { rowLengths, rowSquares, type LowRank } from "./_row-norms.ts";
import type { Fitted, Placed } from "./_adapter-plan.ts";
import { addParameter } from "../_parameters.ts";

/** The words for {@link Residence}. */
export const residences = ["baked", "inputs", OPTIONAL_INPUTS, "bank"] as const;
/**
 * Where the weights of adapters are: `baked` into the graph as initializers, `inputs` of the graph, which a program
 * feeds, `optional-inputs`, which it need not feed to run the base, or a `bank` of several, of which each row of a batch
 * chooses one.
 */
export type Residence = (typeof residences)[number];

/** What trains: inputs of the shapes that their first numbers have, in float32 whatever the graph computes in. */
export const PARAMETERS = "parameters";

/**
 * Makes the values that adapters read: initializers, graph inputs of any size, or stacks of several adapters. Two
 * places of one name (the branches of a merged decoder) share theirs.
 */
export class AdapterValues {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly residence: Residence | typeof PARAMETERS;
  readonly #loc: Loc;
  readonly #first: (leaf: Leaf) => Leaf["init"];
  readonly #made = new Map<string, readonly Value[]>();
  readonly #numbers = new Map<string, Value>();
  /** Elements of all leaves made. */
  parameters = 0;
  /** How many of them a bank has only to bring all members of a site to one size. */
  padding = 0;

  constructor(
    model: Model,
    rw: Rewriter,
    residence: Residence | typeof PARAMETERS,
    options: {
      readonly pass: string;
      /** What fresh leaves begin with; what the kind says, unless given. */
      readonly first?: (leaf: Leaf) => Leaf["init"];
    },
  ) {
    this.#model = model;
    this.#rw = rw;
    this.residence = residence;
    this.#loc = madeBy(options.pass, []);
    this.#first = options.first ?? (({ init }) => init);
  }

  /** Whether they are inputs of the graph, which may hold another adapter's numbers in each run. */
  get areFed(): boolean {
    return this.residence === PARAMETERS || takesInputs(this.residence);
  }

  /**
   * The values at a place, in the order in which the kind's function takes them behind x and adapter_ids. Where it
   * reads the projection, the last one is the norms of its rows with the adapter; for adapters that are inputs the
   * squares of the base's norms, of which the graph makes those.
   */
  at(placed: Placed, form: Form): readonly Value[] {
    const { name } = placed.place;
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const own = this.residence === "bank" ? this.#stacked(placed, form) : this.#single(placed);
    const values = placed.base === null ? own : [...own, this.#ofWeight(placed, placed.base)];
    this.#made.set(name, values);
    return values;
  }

  /** What is made of the base's weight. It is read when the files are written, one tensor at a time. */
  #ofWeight({ place: { name }, width: { dtype }, kind, members }: Placed, base: BaseWeight): Value {
    const [outFeatures] = base.shape;
    if (this.areFed) {
      const wide = dtype === "double" ? "double" : "float";
      const squares = deferred(wide, [outFeatures], () => encodeNumbers(rowSquares(base, null), wide));
      return this.#initializer(`${name}.${derived.baseSquares}`, squares);
    }
    // What adds nothing is divided by something, and multiplied by nothing.
    const ones = new Float64Array(outFeatures).fill(1);
    const produce = (): Uint8Array => {
      const norms = members.flatMap((one) => [
        ...(one === null
          ? ones
          : rowLengths(base, lowRankOf(kind, one.member)).map((length) =>
              Math.max(length, leastNorm(dtype)),
            )),
      ]);
      return encodeNumbers(Float64Array.from(norms), dtype);
    };
    const shape = this.residence === "bank" ? [members.length, outFeatures] : [outFeatures];
    return this.#initializer(`${name}.${derived.norms}`, deferred(dtype, shape, produce));
  }

  #single({ place: { name }, width: { dtype }, kind, members, base }: Placed): Value[] {
    const one = members[0] ?? null;
    if (one === null || members.length !== 1) throw new Error(`${members.length} adapters at ${name}`);
    const leaves = one.leaves.map((leaf) => {
      const full = `${name}.${leaf.name}`;
      const stored = this.residence === PARAMETERS ? "float" : dtype;
      const tensor = deferred(stored, leaf.shape, () =>
        leafPieces(this.#fresh(leaf), one.member, stored, full, base),
      );
      this.parameters += tensor.size;
      if (this.residence === PARAMETERS)
        return addParameter(this.#model, this.#rw, { name: full, loc: this.#loc, initial: tensor, dtype });
      if (this.residence === "baked") return this.#initializer(full, tensor);
      const shape = symbolicShape(leaf, name, kind.size);
      return this.#input(full, dtype, shape, tensor, zeroTensor(dtype, shape));
    });
    const coefficients = [...one.coefficients].map(([coefficient, number]) => {
      if (this.residence === "baked" || this.residence === PARAMETERS)
        return this.#number(`${kind.name}.${coefficient}`, dtype, [number]);
      const full = `${name}.${coefficient}`;
      const neutral = tensorOf(dtype, [1], [kind.neutral[coefficient] ?? 1]);
      return this.#input(full, dtype, [1], tensorOf(dtype, [1], [number]), neutral);
    });
    return [...leaves, ...coefficients];
  }

  /**
   * Leaves `[members, …]`, filled up to the largest member's size. Factors have one more behind the last member, which
   * an id of -1 takes; leaves need none, since nothing of them reaches the result then.
   */
  #stacked(placed: Placed, form: Form): Value[] {
    const {
      place: { name },
      width: { dtype },
      kind,
      settings,
      members,
      base,
    } = placed;
    const sizes = members.map(sizeOf);
    const largest = Math.max(...sizes);
    const widest = members.find((_, i) => sizes[i] === largest) ?? null;
    if (widest === null) throw new Error(`an empty bank at ${name}`);
    const stacks = widest.leaves.map((leaf, index) => {
      const full = `${name}.${leaf.name}`;
      const slices = members.map((one, i) => () => {
        const own = one?.leaves[index];
        if (!one || own === undefined) return null;
        const numbers = leafPieces(this.#fresh(own), one.member, dtype, full, base);
        return padded(numbers, own, dtype, sizes[i] ?? 0, largest);
      });
      const tensor = stacked(dtype, leaf.shape, slices);
      this.parameters += tensor.size;
      const used = members.map((one) => one?.leaves[index]?.shape.reduce((n, d) => n * d, 1) ?? 0);
      this.padding += tensor.size - used.reduce((n, size) => n + size, 0);
      return this.#initializer(full, tensor);
    });
    const padding = form === "single" ? null : kind.padding(settings);
    const bias =
      padding === null ? [] : [this.#padding(`${name}.${padding.name}`, dtype, sizes, largest, padding.pad)];
    const coefficients = Object.keys(kind.coefficients(settings)).map((coefficient) => {
      const neutral = kind.neutral[coefficient] ?? 1;
      const numbers = members.map((one) => one?.coefficients.get(coefficient) ?? neutral);
      return this.#number(`${kind.name}.${coefficient}`, dtype, [...numbers, neutral]);
    });
    return [...stacks, ...bias, ...coefficients];
  }

  #fresh(leaf: Leaf): Leaf {
    return { ...leaf, init: this.#first(leaf) };
  }

  #padding(name: string, dtype: DType, sizes: readonly number[], largest: number, pad: number): Value {
    // A member without anything here adds zeros whatever they weigh.
    const rows = sizes.flatMap((size) =>
      Array.from({ length: largest }, (_, i) => (size === 0 || i < size ? 0 : pad)),
    );
    return this.#initializer(name, tensorOf(dtype, [sizes.length, largest], rows));
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

  /** @param none what stands for no adapter: the default, where there is one */
  #input(name: string, dtype: DType, shape: readonly Dim[], initial: Tensor, none: Tensor): Value {
    const { graph } = this.#model;
    const type = tensorType(dtype, shape);
    const isOptional = this.residence === OPTIONAL_INPUTS;
    const value = isOptional
      ? this.#rw.addInitializer(graph, this.#rw.value(this.#loc, name, type, none))
      : this.#rw.value(this.#loc, name, type);
    this.#rw.setInitial(value, initial);
    this.#rw.addInput(graph, value);
    return value;
  }
}

function deferred(dtype: DType, shape: readonly number[], produce: () => Pieces): Tensor {
  return new Tensor(dtype, shape, { kind: "deferred", file: "adapters", produce });
}

/** Zeros of a shape, and none where its size is open. */
function zeroTensor(dtype: DType, shape: readonly Dim[]): Tensor {
  const dims = shape.map((dim) => (typeof dim === "number" ? dim : 0));
  const count = dims.reduce((n, d) => n * d, 1);
  return new Tensor(dtype, dims, { kind: "memory", bytes: new Uint8Array(byteSize(dtype, count) ?? 0) });
}

/** Slices of a shape, made when they are asked for; null for zeros. */
function stacked(dtype: DType, shape: readonly number[], slices: readonly (() => Pieces | null)[]): Tensor {
  const size = (byteSize(dtype, 1) ?? 0) * shape.reduce((a, b) => a * b, 1);
  return deferred(dtype, [slices.length, ...shape], function* () {
    for (const slice of slices) {
      const own = slice() ?? new Uint8Array(size);
      if (own instanceof Uint8Array) yield own;
      else yield* own;
    }
  });
}

/** An adapter's rank or tokens; 0 for none. */
function sizeOf(one: Fitted | null): number {
  const leaf = one?.leaves.find(({ grows }) => grows !== null);
  return leaf === undefined ? 0 : sizeIn(leaf);
}

/** @param base the weight that it stands beside, where its numbers follow from that */
function leafPieces(
  { name: own, shape, init }: Leaf,
  { given, seed }: Member,
  dtype: DType,
  name: string,
  base: BaseWeight | null,
): Pieces {
  const tensor = given?.part.leaves.get(own);
  if (given === null || tensor === undefined) {
    if (init.kind !== "row-lengths") {
      const size = shape.reduce((a, b) => a * b, 1);
      return initialPieces(init, dtype, size, seed, name);
    }
    if (base === null) throw new Error(`${name} follows from a weight that is not read`);
    return encodeNumbers(rowLengths(base, null), dtype);
  }
  const bytes = tensor.bytes();
  checkFinite({ file: given.file, name }, tensor.dtype, bytes);
  const converted = convert(bytes, tensor.dtype, dtype);
  checkRange({ file: given.file, name }, tensor.dtype, bytes, dtype, converted);
  return converted;
}

/** A trained LoRA as numbers. A fresh one adds nothing to the weight. */
function lowRankOf(kind: AdapterKind, { settings, given }: Member): LowRank | null {
  const [down, up] = ["lora_A.weight", "lora_B.weight"].map((leaf) => given?.part.leaves.get(leaf));
  if (down === undefined || up === undefined) return null;
  const numbers = (tensor: WeightTensor): Float64Array => {
    const at = numbersOf(tensor.bytes(), tensor.dtype);
    return Float64Array.from({ length: elementsOf(tensor) }, (_, i) => at(i));
  };
  const scale = kind.coefficients(settings)["scaling"] ?? 1;
  return { down: numbers(down), up: numbers(up), rank: down.shape[0] ?? 0, scale };
}

function padded(pieces: Pieces, leaf: Leaf, dtype: DType, from: number, to: number): Pieces {
  if (leaf.grows === null || from === to) return pieces;
  return resizeLeaf(joined(pieces), { ...leaf.grows, elementSize: byteSize(dtype, 1) ?? 1 }, from, to);
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
