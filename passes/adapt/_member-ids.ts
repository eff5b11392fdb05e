import type { Form } from "../../compiler/adapters/kind.ts";
import { before, Builder } from "../../compiler/ir/builder.ts";
import { madeBy, type Loc } from "../../compiler/ir/entity.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { asTensor, tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { LOGITS_DIM, LOGITS_KEY, logitsInputs } from "../../compiler/ops/logits.ts";
import { rankOf } from "../../compiler/ops/rank.ts";
import { roleOf } from "../../compiler/ops/ports/roles.ts";
import type { Place, StepEnds } from "../../compiler/sites/places.ts";
import { portOf } from "../_ports.ts";

/** The graph input that chooses a bank's member for each row or token. */
const MEMBER_IDS = "adapter_ids";

/** How many axes a step's result has; null where neither types nor ops tell. */
export function rankBehind({ input, output, width }: StepEnds): number | null {
  const known = rankOf(input);
  // Ids of tokens have an axis less than what is looked up with them.
  const made = known === null || width?.readsIds !== true ? known : known + 1;
  return rankOf(output) ?? made;
}

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

  /** @param members how many there are */
  constructor(model: Model, rw: Rewriter, pass: string, members: number) {
    this.#model = model;
    this.#rw = rw;
    this.#loc = madeBy(pass, []);
    this.#members = members;
  }

  formAt({ site, inner, step }: Place): Form {
    if (step?.width !== undefined) return rankBehind(step) === 2 ? "tokens" : "rows";
    const isFlat = rankOf(site.input) === 2 || inner?.linear.isFlat === true;
    return isFlat ? "tokens" : "rows";
  }

  at({ ref, site, inner, step }: Place): Value {
    const isFlatGraph = rankOf(site.input) === 2;
    const ids = (this.#ids ??= this.#checked(site.input, isFlatGraph ? "tokens" : "batch"));
    const rows = isFlatGraph && ref.site === "lm_head" ? this.#logitRows() : null;
    // Of flat tokens, the head has only those whose logits are wanted.
    if (rows !== null) return this.#writer(step?.node ?? site.node).op("Gather", [ids, rows], "of_logits");
    return inner?.linear.isFlat === true && !isFlatGraph ? this.#perToken(ids, site.node, site.input) : ids;
  }

  /**
   * The input, with ids that are none sent out of range, which a Gather refuses: those below -1 it would count from the
   * end, and the one behind the last member is that of the zeros.
   */
  #checked(x: Value, usual: string): Value {
    const size = this.#fixedRows() ?? asTensor(x.type)?.shape?.[0] ?? usual;
    const rows = size === LOGITS_DIM ? usual : size;
    const ids = this.#rw.value(this.#loc, MEMBER_IDS, tensorType("int64", [rows]));
    this.#rw.addInput(this.#model.graph, ids);
    const { first } = this.#model.graph;
    if (first === null) throw new Error("a model with places and no nodes");
    const b = this.#writer(first);
    const isBelow = b.op("Less", [ids, b.vectorOf([-1], "none")], "is_below");
    const isAbove = b.op("Greater", [ids, b.vectorOf([this.#members - 1], "last")], "is_above");
    const isWrong = b.op("Or", [isBelow, isAbove], "is_wrong");
    return b.op("Where", [isWrong, b.vectorOf([this.#members + 1], "beyond"), ids], "checked");
  }

  /** How many rows the graph takes, where its token ids fix that. */
  #fixedRows(): number | null {
    const tokens = this.#model.graph.inputs.map(portOf).find((port) => roleOf(port) === "tokens");
    const [rows, ...others] = tokens?.dims ?? [];
    return typeof rows === "number" && others.length > 0 ? rows : null;
  }

  /** The input that says which tokens have logits, where the graph was made to have one. */
  #logitRows(): Value | null {
    if (!this.#model.meta.has(LOGITS_KEY)) return null;
    return this.#model.graph.inputs.find(({ name }) => name === logitsInputs.rows) ?? null;
  }

  /** Ids of rows `[B]`, repeated for the steps of each, `[B · S]`. */
  #perToken(ids: Value, call: Node, x: Value): Value {
    const { graph } = call;
    if (graph === null) throw new Error("a call in no graph");
    const known = this.#flat.get(graph);
    if (known !== undefined) return known;
    const b = this.#writer(call);
    const column = b.op("Reshape", [ids, b.vectorOf([-1, 1], "column_shape")], "column");
    const shape = b.op("Shape", [x], "shape");
    const leading = b.op("Slice", [shape, b.vectorOf([0], "from"), b.vectorOf([-1], "to")], "leading");
    const repeated = b.op("Expand", [column, leading], "repeated");
    const flat = b.op("Reshape", [repeated, b.vectorOf([-1], "flat_shape")], "of_tokens");
    this.#flat.set(graph, flat);
    return flat;
  }

  /** Writes in front of a node, and puts what the ids are before each name. */
  #writer(node: Node): {
    readonly op: (op: string, inputs: readonly Value[], hint: string) => Value;
    readonly vectorOf: (values: readonly number[], hint: string) => Value;
  } {
    const b = new Builder(this.#rw, before(node), { loc: this.#loc });
    return {
      op: (op, inputs, hint) => b.op(op, inputs, `${MEMBER_IDS}.${hint}`),
      vectorOf: (values, hint) => b.constant("int64", [values.length], values, `${MEMBER_IDS}.${hint}`),
    };
  }
}
