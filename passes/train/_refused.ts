import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Model } from "../../compiler/ir/model.ts";

/** The error of a graph that cannot be trained, and why not. */
export function refused(model: Model, why: string, pass = "whole-sequences"): Error {
  return inputError("TRAIN_REFUSED", { ...placeOf(model), pass }, { why });
}
