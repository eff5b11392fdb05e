import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Model } from "../../compiler/ir/model.ts";

/** Why a graph cannot be trained: of one that tfc compiled its base can. */
export interface Obstacle {
  readonly why: string;
  readonly isCompiled?: boolean;
}

/** The error of a graph that cannot be trained, and why not. */
export function refused(model: Model, obstacle: string | Obstacle, pass = "whole-sequences"): Error {
  const reason = typeof obstacle === "string" ? { why: obstacle } : obstacle;
  return inputError("TRAIN_REFUSED", { ...placeOf(model), pass }, reason);
}
