import { diagnostic, placeOf, type Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Model } from "../../ir/model.ts";
import { verifyModel } from "../../ir/verify.ts";
import { graphsDeep } from "../../ir/walk.ts";
import { importModel } from "../import.ts";
import { checkFunction, checkGraph, checkHeader, checkInterface } from "./check-graph.ts";
import { checkNode } from "./check-node.ts";
import type { Problem } from "./problem.ts";

/** A broken model says the same of every layer. */
const LIMIT = 20;

/**
 * Checks a model file against the ONNX standard, as `onnx.checker` does: values are defined once, before they are read;
 * domains are imported where they are used; ops are those of their opset, with as many inputs and outputs as it gives
 * them and attributes of their types; functions are whole; versions go together; tensors fill their shapes; external
 * data stay in the model's folder. Weights are not read.
 *
 * @returns at most 20 diagnostics; none for a valid model
 * @throws TfcError where the file cannot be imported at all
 */
export function checkModelFile(file: string): readonly Diagnostic[] {
  return checkModel(importModel(file).model);
}

/** As {@link checkModelFile}, of a model that was imported. */
export function checkModel(model: Model): readonly Diagnostic[] {
  const found = verifyModel(model);
  const problems: Problem[] = [...checkHeader(model), ...checkInterface(model)];
  for (const func of model.functions.values()) problems.push(...checkFunction(func));
  const roots = [model.graph, ...[...model.functions.values()].map(({ body }) => body)];
  for (const graph of roots.flatMap((root) => graphsDeep(root))) {
    if (problems.length >= LIMIT) break;
    problems.push(...checkGraph(graph));
    for (const node of graph.nodes) problems.push(...checkNode(node, model));
  }
  const said = problems.map(({ at, ...text }) => diagnostic("ONNX_INVALID", placeOf(at), text));
  return [...found, ...said].slice(0, LIMIT);
}
