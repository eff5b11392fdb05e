import { Sink } from "../../diagnostics/sink.ts";
import { TfcError } from "../../diagnostics/error.ts";
import { openModel } from "../../onnx/open.ts";
import { headSizesIn } from "../../recognize/model/head-sizes.ts";

/** As {@link headSizesIn}, of a file; none for one that is no model, which is for others to complain about. */
export function headSizes(file: string): ReadonlyMap<string, number> {
  try {
    return headSizesIn(openModel(file, new Sink()).model);
  } catch (error) {
    if (error instanceof TfcError) return new Map();
    throw error;
  }
}
