import { inspect } from "../compile/inspect.ts";
import type { InspectedNode } from "../compile/inspection.ts";
import { providers, type Provider } from "../ops/providers.ts";
import type { Outcome } from "./context.ts";
import { graphFile } from "./graph-file.ts";

/** What may stay elsewhere. */
export interface RunOnOptions {
  /** Ops that may run on the CPU, such as `Gather` or `com.microsoft::Foo`. Default: none. */
  readonly except?: readonly string[];
}

/** Nodes that a message lists of a place. */
const MOST = 5;

/**
 * Says whether a provider runs all nodes of a graph, as far as the tables of its kernels tell. Nodes that compute
 * with sizes, and with the integers and masks that are fed, do not count: onnxruntime has them on the CPU, by intent
 * (CUDA) or for want of kernels of int64 (WebGPU), and they wait for nothing of the device.
 *
 * @throws TypeError of what is no graph, and of a provider that is none; TfcError of a model that cannot be read
 */
export function runsOn(graph: unknown, provider: unknown, options: RunOnOptions = {}): Outcome {
  const asked = providers.find((one) => one === provider);
  if (asked === undefined)
    throw new TypeError(`a provider is one of ${providers.join(", ")}, found ${JSON.stringify(provider)}`);
  const { except = [] } = options;
  if (!Array.isArray(except)) throw new TypeError("`except` is a list of ops");
  const file = graphFile(graph);
  const { placement } = inspect(file, { for: asked });
  if (placement === undefined || placement === null)
    throw new TypeError(`${file} has too many nodes to say where they run, its functions written out`);
  const off = placement.nodes.filter(
    ({ op, reason, isHostOnly }) =>
      reason !== undefined && reason !== "shapes" && isHostOnly !== true && !except.includes(op),
  );
  return {
    pass: off.length === 0,
    message: () =>
      off.length === 0
        ? `${file} runs on ${asked} as a whole, and was not to`
        : `${off.length} of ${placement.nodes.length} nodes of ${file} do not run on ${asked}\n\n${offText(off, asked)}`,
  };
}

const reasons: Readonly<Record<NonNullable<InspectedNode["reason"]>, string>> = {
  op: "no kernel of the op",
  version: "no kernel of this version",
  types: "no kernel of these types",
  attributes: "no kernel of these attributes",
  casts: "float16 that only a kernel of float on the CPU computes",
  shapes: "shapes",
};

/** Ops that stay elsewhere, with their layers. */
function offText(off: readonly InspectedNode[], provider: Provider): string {
  const groups = new Map<string, InspectedNode[]>();
  for (const node of off) {
    const where = node.layer === null ? "outside the layers" : `layer ${node.layer}`;
    groups.set(where, [...(groups.get(where) ?? []), node]);
  }
  const lines = [...groups].map(([where, nodes]) => {
    const shown = nodes
      .slice(0, MOST)
      .map(
        ({ name, op, reason }) => `${op} "${name}" (${reason === undefined ? provider : reasons[reason]})`,
      );
    const more = nodes.length - MOST;
    return `${where}: ${shown.join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
  });
  const rest = lines.length - 4 * MOST;
  return [...lines.slice(0, 4 * MOST), ...(rest > 0 ? [`… and ${rest} more layers`] : [])].join("\n");
}
