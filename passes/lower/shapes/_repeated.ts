import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { dropNode, takeOver } from "../../../compiler/ir/rewrite.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { constantOf } from "../../../compiler/ops/constant.ts";
import type { Trait } from "../../../compiler/ops/op.ts";
import { opOf } from "../../../compiler/ops/table.ts";
import { attributeText, isSmall, tensorText } from "../../outline/_structure.ts";

/** Of ops that move, choose, compare or make elements, and of arithmetic on each. */
const traits: readonly Trait[] = [
  ...(["view", "shape", "filled", "choose", "cut", "rows", "elementwise"] as const),
];

/**
 * Makes readers of what was computed before read that, of ops that move, compare and combine elements. Products, norms
 * and attention are what they are, once or twice.
 *
 * @returns how many nodes have done what another did before them
 */
export function shareRepeated(graph: Graph, rw: Rewriter): number {
  const [ids, known] = [new Ids(), new Map<string, Node>()];
  let count = 0;
  for (const node of [...graph.nodes]) {
    if (node.graph === null || !isRepeatable(node)) continue;
    const key = keyOf(node, ids);
    const first = known.get(key);
    // What only a repeated node read has gone with it.
    if (first?.graph !== graph) {
      known.set(key, node);
    } else if (node.outputs.every((value) => !value.isOutput)) {
      node.outputs.forEach((value, i) => {
        const twin = first.output(i);
        if (twin !== null) takeOver(rw, value, twin);
      });
      dropNode(rw, node);
      count++;
    }
  }
  return count;
}

function isRepeatable(node: Node): boolean {
  const { traits: own, rank, norm, rotary, attention, experts } = opOf(node);
  if (norm !== null || rotary !== null || attention !== null || experts !== null) return false;
  if (node.domain !== "" || node.subgraphs.length > 0 || node.op === "Constant") return false;
  return rank === "most" || traits.some((trait) => own.has(trait));
}

/** Numbers of values, the same for constants that hold the same. */
class Ids {
  readonly #values = new Map<Value, string>();
  readonly #constants = new Map<string, string>();

  of(value: Value | null): string {
    if (value === null) return "";
    let id = this.#values.get(value);
    if (id !== undefined) return id;
    const tensor = constantOf(value);
    id = tensor !== null && isSmall(tensor) ? this.#constant(tensorText(tensor)) : this.#next();
    this.#values.set(value, id);
    return id;
  }

  #constant(text: string): string {
    const known = this.#constants.get(text) ?? `c${this.#constants.size}`;
    this.#constants.set(text, known);
    return known;
  }

  #next(): string {
    return `v${this.#values.size}`;
  }
}

function keyOf(node: Node, ids: Ids): string {
  const attributes = [...node.attributes].sort(([a], [b]) => (a < b ? -1 : 1));
  const settings = attributes.map(([name, attr]) =>
    attr.kind === "graph" || attr.kind === "graphs" ? attr.kind : `${name}=${attributeText(attr)}`,
  );
  return `${node.op}(${node.inputs.map((value) => ids.of(value)).join(",")})<${settings.join(";")}>${node.outputs.length}`;
}
