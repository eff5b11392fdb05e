import { attribute } from "../ir/attribute.ts";
import type { DType } from "../ir/dtype.ts";
import type { Func } from "../ir/model.ts";
import { FunctionBuilder } from "../ir/function-builder.ts";
import { TFC_DOMAIN } from "../sites/site.ts";
import type { Value } from "../ir/value.ts";
import type { BodyContext, Form } from "./kind.ts";
import type { Width } from "../sites/places.ts";

/**
 * Writes the body of an adapter once for all its forms. A formula is said in two products: {@link choose} goes from
 * x to the adapter's own space `[…, size]`, {@link join} back. In a bank, whose leaves are stacked `[N, …]`, both pick
 * the member of each row or token:
 *
 * - rows: the member's matrices are gathered, and each row of the batch is multiplied by its own;
 * - tokens: all members are one wide matrix; of its product each token keeps its member's part, and on the way back
 *   only that part is not zero. Gathering a matrix for each token would copy more than the base's weights are.
 *
 * `adapter_ids` counts members from 0. -1 is the base model: in what {@link join} multiplies there are zeros then,
 * whatever was computed before.
 */
export class AdapterBody extends FunctionBuilder {
  readonly form: Form;
  readonly x: Value;
  readonly #name: string;
  readonly #width: Width;
  /** How many members a bank has. */
  readonly #members: number;
  readonly #ids: Value | null;
  #isMember: Value | null = null;
  #isBase: Value | null = null;

  constructor(context: BodyContext, width: Width) {
    super(context.rewriter, context.loc, context.name, context.opset);
    this.#name = context.name;
    this.#width = width;
    this.#members = context.members;
    this.form = context.form;
    this.x = this.input("x");
    this.#ids = this.form === "single" ? null : this.input("adapter_ids");
  }

  /** The type that the projection computes in. */
  get dtype(): DType {
    return this.#width.dtype;
  }

  /** An input for a leaf; in a bank it is `[N, …]`. */
  leaf(name: string): Value {
    return this.input(name);
  }

  /** An input for a coefficient: one number, or one of the member of each row or token; to multiply `[…, size]` with. */
  coefficient(name: string): Value {
    const value = this.input(name);
    if (this.#ids === null) return value;
    const shape = this.form === "rows" ? [-1, 1, 1] : [-1, 1];
    return this.reshape(this.gather(value, this.#ids, `${name}_chosen`), shape, `${name}_column`);
  }

  /** An input for a vector `[size]`; in a bank that of the member of each row or token. To go with `[…, size]`. */
  perFeature(name: string): Value {
    const chosen = this.ofMember(this.input(name), `${name}_chosen`);
    return this.form === "rows" ? this.unsqueeze(chosen, [1], `${name}_rows`) : chosen;
  }

  /** Slices of a stacked value, one of the member of each row or token. Ids that are no member's are refused. */
  ofMember(stacked: Value, name: string): Value {
    return this.#ids === null ? stacked : this.gather(stacked, this.#ids, name);
  }

  /** The id of the member of each row `[rows, 1]` or token `[tokens]`; null without a bank. */
  get memberIndex(): Value | null {
    if (this.#ids === null) return null;
    return this.form === "rows" ? this.unsqueeze(this.#ids, [1], "member_of_row") : this.#ids;
  }

  /** A value as a matrix: the axes before `axis` as one, and the others. */
  flattened(value: Value, axis: number, name: string): Value {
    return this.op("Flatten", [value], name, { axis: attribute.int(axis) });
  }

  /** A leaf `[b, a]` as `[a, b]`. The stacked leaf is transposed whole: a runtime does that once, on loading. */
  turned(leaf: Value): Value {
    const perm = this.form === "single" ? [1, 0] : [0, 2, 1];
    return this.transpose(leaf, perm, `${leaf.name ?? "leaf"}_turned`);
  }

  /** x `[…, in]` times a matrix `[in, size]`. */
  choose(x: Value, matrix: Value, name: string): Value {
    if (this.form !== "tokens") return this.#product(x, matrix, name);
    const members = this.transpose(matrix, [1, 0, 2], `${name}_members`); // [in, N, size]
    const wide = this.reshape(members, [this.#width.inFeatures, -1], `${name}_wide`); // [in, N · size]
    const all = this.op("MatMul", [x, wide], `${name}_of_all`);
    const parts = this.reshape(all, [0, this.#members, -1], `${name}_apart`); // [T, N, size]
    return this.sum(this.op("Mul", [parts, this.isMember], `${name}_own`), [1], name);
  }

  /** `[…, size]` times a matrix `[size, out]`. */
  join(h: Value, matrix: Value, name: string): Value {
    if (this.form === "single") return this.#product(h, matrix, name);
    if (this.form === "rows") return this.#product(this.#unlessBase(h, `${name}_own`), matrix, name);
    const column = this.unsqueeze(h, [1], `${name}_column`); // [T, 1, size]
    const spread = this.op("Mul", [column, this.isMember], `${name}_spread`); // [T, N, size]
    const flat = this.reshape(spread, [0, -1], `${name}_flat`); // [T, N · size]
    return this.op(
      "MatMul",
      [flat, this.reshape(matrix, [-1, this.#width.outFeatures], `${name}_wide`)],
      name,
    );
  }

  #product(x: Value, matrix: Value, name: string): Value {
    return this.op("MatMul", [x, this.ofMember(matrix, `${name}_matrix`)], name);
  }

  /** Rows `[B, …, size]` with zeros in those of the base. Chosen and not multiplied: what overflowed is gone, too. */
  #unlessBase(h: Value, name: string): Value {
    if (this.#ids === null) throw new Error("only a bank has rows of the base");
    const none = this.constant(this.dtype, [], [0], `${name}_none`);
    this.#isBase ??= this.reshape(
      this.op("Less", [this.#ids, this.ints([0])], "is_base_row"),
      [-1, 1, 1],
      "is_base",
    );
    return this.op("Where", [this.#isBase, none, h], name);
  }

  /** Of each token 1 at its member and 0 elsewhere, `[T, N, 1]`: a row of the unit matrix, or zeros, which follow it. */
  get isMember(): Value {
    if (this.#ids === null) throw new Error("only a bank has members");
    if (this.#isMember !== null) return this.#isMember;
    // Not EyeLike: onnxruntime 1.30 has it on CUDA below opset 22 only.
    const [rows, columns] = [this.#upTo(this.#members + 1, "rows"), this.#upTo(this.#members, "columns")];
    const same = this.op("Equal", [this.unsqueeze(rows, [1], "row_column"), columns], "is_unit");
    const typed = this.cast(same, this.dtype, "unit");
    this.#isMember = this.unsqueeze(this.gather(typed, this.#ids, "member_rows"), [2], "is_member");
    return this.#isMember;
  }

  /** 0, 1, 2, … below a number. */
  #upTo(end: number, name: string): Value {
    const numbers = Array.from({ length: end }, (_, i) => i);
    return this.constant("int64", [end], numbers, name);
  }

  softmax(scores: Value, name: string): Value {
    return this.op("Softmax", [scores], name, { axis: attribute.int(-1) });
  }

  /** The exact GELU, x · Φ(x): an op since opset 20, before that in the spelling that runtimes fuse. */
  gelu(x: Value, name: string): Value {
    if (this.opset >= 20) return this.op("Gelu", [x], name);
    const number = (value: number, hint: string): Value => this.constant(this.dtype, [], [value], hint);
    const scaled = this.op("Div", [x, number(Math.SQRT2, "root_two")], "over_root_two");
    const twice = this.op("Add", [this.op("Erf", [scaled], "erf"), number(1, "one")], "twice_phi");
    return this.op("Mul", [this.op("Mul", [x, twice], "twice_gelu"), number(0.5, "half")], name);
  }

  /**
   * `factor / ‖x‖₂` of each row of x `[…, size]`, `[…, 1]`; for a row of zeros something finite, with which zeros stay
   * zeros.
   *
   * @param size a leaf whose first dimension (behind a bank's members) is the adapter's size
   */
  inverseNorm(x: Value, factor: Value, size: Value): Value {
    // Squares of float16 leave its range at 256.
    const wide: DType = this.dtype === "float16" ? "float" : this.dtype;
    const widened = (value: Value, name: string): Value =>
      wide === this.dtype ? value : this.cast(value, wide, name);
    const wideX = widened(x, "wide");
    // As a product with ones: onnxruntime 1.30 reduces an axis of size zero to no element instead of to 0.
    const ones = this.ones(size, this.form === "single" ? 0 : 1, wide, "ones");
    const squares = this.op("Mul", [wideX, wideX], "squares");
    const length = this.op("Sqrt", [this.op("MatMul", [squares, ones], "square_sum")], "length");
    const guarded = this.op("Max", [length, this.constant(wide, [], [1e-12], "least")], "guarded");
    const inverse = this.op("Div", [widened(factor, "wide_factor"), guarded], "inverse");
    // The largest float16: a shorter row than τ / 65504 is as good as zeros.
    if (wide === this.dtype) return inverse;
    const most = this.constant(wide, [], [65504], "most");
    return this.cast(this.op("Min", [inverse, most], "capped"), this.dtype, "inverse_narrow");
  }

  /** The finished function. */
  end(y: Value): Func {
    return this.finish(TFC_DOMAIN, this.#name, [y]);
  }
}
