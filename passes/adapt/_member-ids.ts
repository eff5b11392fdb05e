import type { Form } from "../../compiler/adapters/kind.ts";
import { attribute } from "../../compiler/ir/attribute.ts";
import { madeBy, type Loc } from "../../compiler/ir/entity.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorOf } from "../../compiler/ir/scalar.ts";
import { asTensor, tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { rankOf } from "../../compiler/ops/rank.ts";
import type { Place } from "../../compiler/sites/places.ts";

/** The graph input that chooses a bank's member for each row or token. */
const MEMBER_IDS = "adapter_ids";

/**
 * `adapter_ids` as each place needs them: of each row `[rows]` where activations are `[rows, steps, width]`, of each
 * token `[tokens]` where they are flat; and of each token also inside a block that makes its rows flat.
 */
export class MemberIds {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #loc: Loc;
  readonly #members: number;
  #ids: Value | null = null;
  readonly #flat = new Map<Graph, Value>();

  /** @param members how many there are, without the zeros behind the last */
  constructor(model: Model, rw: Rewriter, pass: string, members: number) {
    this.#model = model;
    this.#rw = rw;
    this.#loc = madeBy(pass, []);
    this.#members = members;
  }

  formAt({ site, inner }: Place): Form {
    const isFlat = rankOf(site.input) === 2 || inner?.linear.isFlat === true;
    return isFlat ? "tokens" : "rows";
  }

  at({ site, inner }: Place): Value {
    const isFlatGraph = rankOf(site.input) === 2;
    const ids = (this.#ids ??= this.#checked(site.input, isFlatGraph ? "tokens" : "batch"));
    return inner?.linear.isFlat === true && !isFlatGraph ? this.#perToken(ids, site.node, site.input) : ids;
  }

  /**
   * The input, with ids that are none sent out of range, which a Gather refuses: those below -1 it would count from the
   * end, and the one behind the last member is that of the zeros.
   */
  #checked(x: Value, usual: string): Value {
    const rows = asTensor(x.type)?.shape?.[0] ?? usual;
    const ids = this.#rw.value(this.#loc, MEMBER_IDS, tensorType("int64", [rows]));
    this.#rw.addInput(this.#model.graph, ids);
    const { first } = this.#model.graph;
    if (first === null) throw new Error("a model with places and no nodes");
    const isBelow = this.#op(first, "Less", [ids, this.#ints(first, [-1], "none")], "is_below");
    const isAbove = this.#op(
      first,
      "Greater",
      [ids, this.#ints(first, [this.#members - 1], "last")],
      "is_above",
    );
    const isWrong = this.#op(first, "Or", [isBelow, isAbove], "is_wrong");
    const beyond = this.#ints(first, [this.#members + 1], "beyond");
    return this.#op(first, "Where", [isWrong, beyond, ids], "checked");
  }

  /** Ids of rows `[B]`, repeated for the steps of each, `[B · S]`. */
  #perToken(ids: Value, before: Node, x: Value): Value {
    const { graph } = before;
    if (graph === null) throw new Error("a call in no graph");
    const known = this.#flat.get(graph);
    if (known !== undefined) return known;
    const column = this.#op(before, "Reshape", [ids, this.#ints(before, [-1, 1], "column_shape")], "column");
    const shape = this.#op(before, "Shape", [x], "shape");
    const bounds = [this.#ints(before, [0], "from"), this.#ints(before, [-1], "to")];
    const leading = this.#op(before, "Slice", [shape, ...bounds], "leading");
    const repeated = this.#op(before, "Expand", [column, leading], "repeated");
    const all = this.#ints(before, [-1], "flat_shape");
    const flat = this.#op(before, "Reshape", [repeated, all], "of_tokens");
    this.#flat.set(graph, flat);
    return flat;
  }

  #ints(before: Node, values: readonly number[], name: string): Value {
    const value = attribute.tensor(tensorOf("int64", [values.length], values));
    return this.#op(before, "Constant", [], name, { value });
  }

  #op(
    before: Node,
    op: string,
    inputs: readonly Value[],
    hint: string,
    attributes: Parameters<Rewriter["node"]>[0]["attributes"] = {},
  ): Value {
    const name = `${MEMBER_IDS}.${hint}`;
    const node = this.#rw.node({ op, name, inputs, outputs: [name], attributes, loc: this.#loc });
    this.#rw.insertBefore(before, node);
    const [value] = node.outputs;
    if (value === undefined) throw new Error(`${op} has no output`);
    return value;
  }
}
