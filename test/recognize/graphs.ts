import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { GraphIndex } from "../../compiler/recognize/graph-index.ts";
import { parseModel } from "../../compiler/text/parse.ts";

/** A graph in pieces: the tests below write down only what differs. */
export interface Pieces {
  /** Graph inputs. */
  readonly inputs: string;
  /** Initializers and types of values. */
  readonly weights?: string;
  /** Nodes, one a line. */
  readonly nodes: string;
  readonly outputs?: string;
  /** Functions behind the graph. */
  readonly functions?: string;
}

/** The model of a graph written in pieces. */
export function modelOf({ inputs, weights = "", nodes, outputs = "y", functions = "" }: Pieces): Model {
  const head = '<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1, "local" : 1]>';
  const values = weights.trim() === "" ? "" : `<${weights}>`;
  return parseModel(`${head} g (${inputs}) => (${outputs}) ${values} {\n${nodes}\n}\n${functions}`);
}

/** The value of this name in the main graph. @throws Error when there is none */
export function valueNamed(model: Model, name: string): Value {
  const { graph } = model;
  const all = [...graph.inputs, ...graph.initializers, ...[...graph.nodes].flatMap((node) => node.outputs)];
  const value = all.find((one) => one.name === name);
  if (value === undefined) throw new Error(`the graph has no value ${name}`);
  return value;
}

/** The node that makes the value of this name. @throws Error when none does */
export function makerOf(model: Model, name: string): Node {
  const node = valueNamed(model, name).producer;
  if (node === null) throw new Error(`no node makes ${name}`);
  return node;
}

export function indexOf(model: Model): GraphIndex {
  return new GraphIndex(model, model.graph);
}
