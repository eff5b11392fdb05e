import type { InspectedNode, InspectedPlacement, OffReason } from "../compile/inspection.ts";
import type { Provider } from "../ops/providers.ts";
import { grouped, rows } from "./output.ts";

const providerNames: Readonly<Record<Provider, string>> = { cpu: "the CPU", cuda: "CUDA", webgpu: "WebGPU" };

/** Where the nodes of a model run, as a summary and by layer. */
export function placementText(placement: InspectedPlacement | null, provider: Provider): string {
  const name = providerNames[provider];
  if (placement === null) return `where nodes run on ${name} is not said: written out, they are too many`;
  const { on, off, onnxruntime, copies } = placement;
  const all = on + off;
  const summary = rows([
    [`on ${name}`, `${grouped(on)} of ${grouped(all)} nodes, by onnxruntime ${onnxruntime}`],
    ...(off === 0 ? [] : [["elsewhere", reasonsText(placement)] as const]),
    ...(provider === "cpu" ? [] : [["copies", copiesText(copies.in.length, copies.out.length)] as const]),
  ]);
  const lines = linesOf(placement.nodes, name);
  return lines.length === 0 ? summary : `${summary}\n\nnot on ${name}:\n${indented(rows(lines))}`;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}

const reasonNames: Readonly<Record<OffReason, string>> = {
  shapes: "of arithmetic on shapes, which onnxruntime keeps on the CPU",
  casts: "in float on the CPU, with casts around them",
  op: "without a kernel of the op",
  version: "without a kernel of this version of the op",
  types: "without a kernel for their types",
  attributes: "without a kernel for their attributes",
};

function reasonsText({ reasons }: InspectedPlacement): string {
  return Object.entries(reasonNames)
    .flatMap(([reason, text]) => {
      const count = reasons[reason as OffReason] ?? 0;
      return count === 0 ? [] : [`${grouped(count)} ${text}`];
    })
    .join("\n");
}

function copiesText(into: number, out: number): string {
  if (into + out === 0) return "none but of what is fed and fetched";
  return `${into} to the device and ${out} from it in each run, beside what is fed and fetched`;
}

/** Nodes that are elsewhere: one line for layers in a row of which the same is said. */
function linesOf(nodes: readonly InspectedNode[], name: string): (readonly [string, string])[] {
  const byLayer = new Map<number | null, InspectedNode[]>();
  for (const node of nodes) {
    if (node.reason === undefined) continue;
    const of = byLayer.get(node.layer) ?? [];
    of.push(node);
    byLayer.set(node.layer, of);
  }
  const groups: { from: number | null; to: number | null; text: string }[] = [];
  const inOrder = [...byLayer].sort(([a], [b]) => (a ?? Infinity) - (b ?? Infinity));
  for (const [layer, own] of inOrder) {
    const text = nodesText(own, name);
    const last = groups.at(-1);
    if (last?.text === text && last.to !== null && layer === last.to + 1) last.to = layer;
    else groups.push({ from: layer, to: layer, text });
  }
  return groups.map(({ from, to, text }) => [layersText(from, to), text] as const);
}

function layersText(from: number | null, to: number | null): string {
  if (from === null || to === null) return "in no layer";
  return from === to ? `layer ${from}` : `layers ${from} … ${to}`;
}

/** `2 Concat, 1 Slice: arithmetic on shapes`, a line for each reason. */
function nodesText(nodes: readonly InspectedNode[], name: string): string {
  const reasons = new Map<string, Map<string, number>>();
  for (const node of nodes) {
    const reason = reasonText(node, name);
    const ops = reasons.get(reason) ?? new Map<string, number>();
    ops.set(node.op, (ops.get(node.op) ?? 0) + 1);
    reasons.set(reason, ops);
  }
  return [...reasons]
    .map(([reason, ops]) => `${[...ops].map(([op, count]) => `${count} ${op}`).join(", ")}: ${reason}`)
    .join("\n");
}

function reasonText(node: InspectedNode, name: string): string {
  const { reason, types, provider, op } = node;
  const nowhere = provider === null && name !== providerNames.cpu ? ", nor on the CPU" : "";
  switch (reason) {
    case "shapes":
      return "arithmetic on shapes";
    case "casts":
      return "no kernel for float16: in float on the CPU, with casts around";
    case "types":
      return types === undefined
        ? `no kernel on ${name} for these types together${nowhere}`
        : `no kernel on ${name} for ${types.found}, only ${nearest(types).join(", ")}${nowhere}`;
    case "version":
      return `no kernel on ${name} for this version of ${op}${nowhere}`;
    case "attributes":
      return `no kernel on ${name} for its attributes${nowhere}`;
    default:
      return `no kernel on ${name}${nowhere}`;
  }
}

/** Of the types that are taken those of the same kind, floats or others, where there are any. */
function nearest({ wanted, found }: { readonly wanted: readonly string[]; readonly found: string }) {
  const isFloatName = (type: string): boolean => /float|double/.test(type);
  const alike = wanted.filter((type) => isFloatName(type) === isFloatName(found));
  return (alike.length === 0 ? wanted : alike).toSorted();
}
