import { TfcError } from "../diagnostics/error.ts";
import type { Sink } from "../diagnostics/sink.ts";
import { Rewriter } from "../ir/rewriter.ts";
import { sortNodes } from "../ir/sort.ts";
import { verifyModel } from "../ir/verify.ts";
import { importModel, type Imported } from "./import.ts";

export type { Imported };

/**
 * Reads a model file and checks it: what every command begins with. Nodes out of order are put in order, with a
 * warning, since onnxruntime reads such files too.
 *
 * @throws TfcError what importing throws, and what the verifier finds
 */
export function openModel(file: string, sink: Sink): Imported {
  const imported = importModel(file);
  const { model } = imported;
  let found = verifyModel(model);
  const [first] = found;
  if (first !== undefined && found.every((d) => d.code === "NODE_ORDER")) {
    const graphs = [model.graph, ...[...model.functions.values()].map((f) => f.body)];
    const rw = new Rewriter();
    if (graphs.every((graph) => sortNodes(rw, graph))) {
      found = verifyModel(model);
      sink.report("NODES_SORTED", first.place, {});
    }
  }
  if (found.length > 0) throw new TfcError("input", found);
  return imported;
}
