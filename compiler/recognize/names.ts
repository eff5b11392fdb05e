import type { Node } from "../ir/node.ts";
import type { Value } from "../ir/value.ts";

/** Where exporters put the path of the module that a node came from. */
const pathKeys = ["namespace", "pkg.torch.onnx.name_scopes"];

const layerPath = /((?:[\w]+\.)*?(?:layers|h|blocks))\.(\d+)(?=[.\s'"/]|$)/;

/** A layer as its exporter named it: `model.layers`, 3. */
export interface LayerName {
  readonly prefix: string;
  readonly index: number;
}

/**
 * The layer that nodes and weights of a block say they belong to, or null when they say nothing or disagree. Names
 * only name modules: nothing is recognized by them.
 */
export function layerNameOf(nodes: readonly Node[], weights: readonly Value[]): LayerName | null {
  const found = new Map<string, LayerName>();
  for (const text of [...weights.map((v) => v.name ?? ""), ...nodes.flatMap((n) => textsOf(n))]) {
    const name = parseLayer(text);
    if (name !== null) found.set(`${name.prefix}.${name.index}`, name);
  }
  const [only] = found.values();
  return found.size === 1 ? (only ?? null) : null;
}

function textsOf(node: Node): string[] {
  return [node.name ?? "", ...pathKeys.map((key) => node.meta.get(key) ?? "")];
}

/** `/model/layers.0/self_attn/q_proj/MatMul` and `model.layers.0.self_attn.q_proj.weight` both name `model.layers` 0. */
function parseLayer(text: string): LayerName | null {
  const match = layerPath.exec(text.replace(/[/]+/g, ".").replace(/^\.+/, ""));
  if (match?.[1] === undefined || match[2] === undefined) return null;
  // A wrapper module around the model repeats the first name: model.model.layers.
  const prefix = match[1].replace(/^(\w+)\.(?:\1\.)+/, "$1.");
  return { prefix, index: Number(match[2]) };
}
