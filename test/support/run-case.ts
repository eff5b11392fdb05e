import { diagnosticText, type Diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { Sink } from "../../compiler/diagnostics/sink.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { Rewriter } from "../../compiler/ir/rewriter.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { runPasses, type Step } from "../../compiler/pass/runner.ts";
import { parseModel } from "../../compiler/text/parse.ts";
import { printModel } from "../../compiler/text/print.ts";
import type { Case } from "./case.ts";
import { passNamed } from "./case-options.ts";
import { initializersOf } from "./initializers.ts";

/** The file that the models of cases are said to be from. */
const FILE = "model.onnx";

/** What the passes made of a case's input. */
export interface Outcome {
  readonly input: Model;
  /** Null when a pass refused the input. */
  readonly model: Model | null;
  /** The model as text, the adapters' first weights only named. */
  readonly text: string | null;
  /** As a terminal shows them. */
  readonly diagnostics: string;
  /** The passes that would change the model once more. */
  readonly unsettled: readonly string[];
}

/**
 * Runs the passes of a case; `folder` names the pass where the case names none.
 *
 * @param prepare what is done to the input before
 */
export function runCase(test: Case, folder: string, prepare?: (model: Model) => void): Outcome {
  const chosen = test.options.passes.length === 0 ? [passNamed(folder)] : test.options.passes;
  const steps = chosen.map((pass): Step => ({ pass, options: test.options.settings.get(pass.name) ?? {} }));
  const input = parseModel(test.input, { file: FILE });
  const model = parseModel(test.input, { file: FILE });
  prepare?.(model);
  const sink = new Sink();
  try {
    runPasses(model, steps, sink);
  } catch (error) {
    if (!(error instanceof TfcError) || error.kind === "internal") throw error;
    const diagnostics = textOf([...sink.diagnostics, ...error.diagnostics]);
    return { input, model: null, text: null, diagnostics, unsettled: [] };
  }
  const text = textOfModel(model);
  const again = test.options.once ? [] : runPasses(model, steps, new Sink());
  const unsettled = again.filter(({ changed }) => changed).map(({ pass }) => pass);
  return { input, model, text, diagnostics: textOf(sink.diagnostics), unsettled };
}

function textOf(diagnostics: readonly Diagnostic[]): string {
  return diagnostics.map((d) => diagnosticText(d)).join("\n");
}

/** The model as text. Weights that a pass would make are replaced by a place: their numbers are tested elsewhere. */
function textOfModel(model: Model): string {
  const rw = new Rewriter();
  const made = [...initializersOf(model)].filter((value) => value.constant?.storage.kind === "deferred");
  const tensors = made.map((value) => value.constant);
  for (const value of made) {
    const { dtype = "float", shape = [] } = value.constant ?? {};
    rw.setConstant(value, new Tensor(dtype, shape, { kind: "external", location: "adapters", range: null }));
  }
  const text = printModel(model).trimEnd();
  made.forEach((value, i) => {
    rw.setConstant(value, tensors[i]);
  });
  return text;
}
