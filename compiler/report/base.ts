import type { OpenedDecoder } from "../compile/open-decoder.ts";
import { diagnostic, type Diagnostic } from "../diagnostics/diagnostic.ts";
import { fingerprintOf } from "../recognize/model/fingerprint.ts";
import {
  BASE_KEY,
  fingerprintDifference,
  fingerprintName,
  fingerprintText,
  parseFingerprint,
} from "../weights/fingerprint.ts";
import type { BaseRelation } from "./data.ts";

/** What a model that is compared with another is to it, and what there is to say of that. */
export interface Compared {
  readonly relation: BaseRelation;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Compares a model's record of the base that it was compiled from with the one that is given.
 *
 * Nothing is known where there is no record, where the given model was compiled, too (both may come from one base), or
 * where no weight can be compared, as all are quantized.
 */
export function comparedWith(base: OpenedDecoder, model: OpenedDecoder): Compared {
  const recorded = model.model.meta.get(BASE_KEY) ?? "";
  const wanted = parseFingerprint(recorded);
  if (wanted === null) return { relation: "unknown", diagnostics: [] };
  const ofBase = parseFingerprint(base.model.meta.get(BASE_KEY) ?? "");
  const found = ofBase ?? fingerprintOf(base.model, base.view);
  const difference = fingerprintDifference(wanted, found);
  if (difference !== null) {
    const names = { wanted: fingerprintName(recorded), found: fingerprintName(fingerprintText(found)) };
    const file = model.model.loc.file;
    const said = diagnostic("REPORT_OTHER_BASE", { file }, { ...names, difference });
    return { relation: "other", diagnostics: [said] };
  }
  const isCompared = Object.keys(wanted.samples).some((weight) => weight in found.samples);
  return { relation: ofBase === null && isCompared ? "own" : "unknown", diagnostics: [] };
}
