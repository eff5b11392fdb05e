import { attribute } from "../../compiler/ir/attribute.ts";
import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Value } from "../../compiler/ir/value.ts";

/** A graph without inputs, as an If holds one, which may read what stands around it. */
export function branch(b: Builder, name: string, write: (inner: Builder) => readonly Value[]): Graph {
  const rw = b.rewriter;
  const graph = rw.graph(b.loc, name);
  const inner = new Builder(rw, atEnd(graph), { loc: b.loc, opset: b.opset, namesNodes: false });
  write(inner).forEach((value, i) => {
    rw.setOutput(graph, i, value);
  });
  return graph;
}

/** One value or another, of which only the one that is wanted is computed. */
export function either(
  b: Builder,
  condition: Value,
  name: string,
  then: (inner: Builder) => Value,
  otherwise: (inner: Builder) => Value,
): Value {
  return b.op("If", [condition], name, {
    then_branch: attribute.graph(branch(b, `${name}_then`, (inner) => [then(inner)])),
    else_branch: attribute.graph(branch(b, `${name}_else`, (inner) => [otherwise(inner)])),
  });
}
