import type { Model } from "../../ir/model.ts";
import { opOf } from "../../ops/table.ts";
import { nodesDeep } from "../../ir/walk.ts";

/** How a graph is written, as docs/styles.md names the ways. */
export type Style =
  "torchscript" | "fx" | "dynamo-early" | "dynamo" | "attention-ops" | "genai" | "vllm" | "unknown";

/** Tells the style of a graph by its ops, metadata and names: for reports only, nothing is recognized by it. */
export function styleOf(model: Model): Style {
  const ops = new Set<string>();
  const attention = new Set<Style>();
  let [named, paths, traced, total] = [0, 0, 0, 0];
  for (const node of nodesDeep(model.graph)) {
    ops.add(node.op);
    const style = opOf(node).attention?.style;
    if (style !== undefined) attention.add(style);
    total++;
    if (node.name !== undefined) named++;
    if (node.name?.startsWith("/") === true) paths++;
    if (node.meta.has("namespace") || node.meta.has("pkg.torch.onnx.name_scopes")) traced++;
  }
  const hasAny = (...names: string[]): boolean => names.some((name) => ops.has(name));
  if (attention.has("vllm") || [...ops].some((op) => op.startsWith("vllm::"))) return "vllm";
  if (attention.has("genai")) return "genai";
  if (attention.has("attention-ops") || hasAny("RMSNormalization")) return "attention-ops";
  if (hasAny("com.microsoft::FusedMatMul") || (model.header.producerName ?? "").startsWith("experimental"))
    return "fx";
  if (traced > 0) return "dynamo";
  if ([...model.functions.keys()].some((key) => /aten|pkg\.onnxscript/.test(key))) return "dynamo-early";
  if (paths * 2 > total) return "torchscript";
  if (hasAny("SimplifiedLayerNormalization", "Reciprocal")) return named * 2 > total ? "dynamo" : "fx";
  return "unknown";
}

/** The program that wrote the model, with its version, as the model says. */
export function exporterOf({ header }: Model): string {
  return `${header.producerName ?? ""} ${header.producerVersion ?? ""}`.trim() || "unknown";
}
