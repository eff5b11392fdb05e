import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { Sink } from "../diagnostics/sink.ts";
import type { Model } from "../ir/model.ts";
import { absentData } from "../onnx/absent.ts";
import { openModel } from "../onnx/open.ts";
import { runPasses } from "../pass/runner.ts";
import { viewDecoder, type DecoderView } from "../recognize/decoder.ts";
import { exporterOf, styleOf, type Style } from "../recognize/model/style.ts";
import { preparing, preparingBlocks } from "./preparation.ts";

/** A model as the commands that look at one see it. */
export interface OpenedDecoder {
  readonly model: Model;
  readonly view: DecoderView;
  readonly style: Style;
  readonly exporter: string;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Opens a model, makes its graph plain as `compile` does, and looks for a decoder.
 *
 * @param look is shown the model as it is in the file
 * @param looksInside whether blocks that `compile` has outlined are to be recognized anew
 */
export function openDecoder(
  file: string,
  look: (model: Model) => void = () => undefined,
  looksInside: (model: Model) => boolean = () => false,
): OpenedDecoder {
  const sink = new Sink();
  const { model, missing } = openModel(file, sink);
  const absent = absentData(file, missing);
  if (absent !== null) sink.report("EXTERNAL_DATA_ABSENT", { file }, absent);
  look(model);
  // The style is that of the file: preparation takes its marks away.
  const [style, exporter] = [styleOf(model), exporterOf(model)];
  runPasses(model, looksInside(model) ? preparingBlocks : preparing, sink);
  return { model, view: viewDecoder(model), style, exporter, diagnostics: sink.diagnostics };
}
