import type { Node } from "../../ir/node.ts";
import type { Value } from "../../ir/value.ts";

/** Where exporters put the path of the module that a node came from. */
const pathKeys = ["namespace", "pkg.torch.onnx.name_scopes"];

/** A layer's number with the last name before it; the names in front are looked at only where this is found. */
const layerPath = /\b(?:layers|h|blocks)\.(\d+)(?=[.\s'"/]|$)/;

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
  // Metadata last: it is read only where names say nothing.
  const sources = [
    () => weights.map((value) => value.name ?? ""),
    () => nodes.map((node) => node.name ?? ""),
    () => nodes.flatMap((node) => pathKeys.map((key) => node.meta.get(key) ?? "")),
  ];
  for (const texts of sources) {
    const found = new Map<string, LayerName>();
    for (const text of texts()) {
      const name = parseLayer(text);
      if (name !== null) found.set(`${name.prefix}.${name.index}`, name);
    }
    const [first] = found.values();
    if (first !== undefined) return found.size === 1 ? first : null;
  }
  return null;
}

/** `/model/layers.0/self_attn/q_proj/MatMul` and `model.layers.0.self_attn.q_proj.weight` both name `model.layers` 0. */
function parseLayer(text: string): LayerName | null {
  const path = text.replace(/[/]+/g, ".");
  const match = layerPath.exec(path);
  if (match?.[1] === undefined) return null;
  const end = match.index + match[0].length - match[1].length - 1;
  // Backwards by hand: an expression that ends in `$` would try every place of a long text.
  let start = match.index;
  while (start > 0 && /[\w.]/.test(path.charAt(start - 1))) start--;
  const whole = path.slice(start, end).replace(/^\.+/, "");
  // A wrapper module around the model repeats the first name: model.model.layers.
  const prefix = whole.replace(/^(\w+)\.(?:\1\.)+/, "$1.");
  return { prefix, index: Number(match[1]) };
}
