import type { placeOf } from "../../diagnostics/diagnostic.ts";

/** Something that the ONNX standard does not allow. */
export interface Problem {
  readonly at: Parameters<typeof placeOf>[0];
  readonly what: string;
  readonly wanted: string;
  readonly found: string;
}
