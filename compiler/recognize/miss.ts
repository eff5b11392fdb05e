import type { Node } from "../ir/node.ts";
import { Value } from "../ir/value.ts";
import { locText } from "../ir/entity.ts";

/** Why something was not recognized. `want` and `got` are noun phrases. */
export interface Miss {
  readonly code: MissCode;
  /** How far recognition came: the shape of the dataflow, a property of it, or the safety of cutting it out. */
  readonly stage: "structure" | "check" | "safety";
  readonly at: Node | Value;
  readonly want: string;
  readonly got: string;
}

export type MissCode =
  | "ATTENTION_SCORES_NOT_FOUND"
  | "ATTENTION_VALUES_NOT_FOUND"
  | "ATTENTION_Q_NOT_LINEAR"
  | "ATTENTION_K_NOT_LINEAR"
  | "ATTENTION_V_NOT_LINEAR"
  | "ATTENTION_OUTPUT_NOT_LINEAR"
  | "ATTENTION_INPUTS_DIFFER"
  | "ATTENTION_KEYS_GIVEN"
  | "ATTENTION_WIDTH"
  | "ATTENTION_CACHE_FIXED"
  | "MLP_INPUT_NOT_LINEAR"
  | "MLP_INPUTS_DIFFER"
  | "MLP_WIDTH"
  | "MOE_OUTPUT_NOT_FOUND"
  | "MOE_EXPERTS_NOT_FOUND"
  | "MOE_INPUTS_DIFFER"
  | "REGION_NOT_CLOSED"
  | "REGION_OVERLAPS";

const stages: Record<MissCode, Miss["stage"]> = {
  ATTENTION_SCORES_NOT_FOUND: "structure",
  ATTENTION_VALUES_NOT_FOUND: "structure",
  ATTENTION_Q_NOT_LINEAR: "structure",
  ATTENTION_K_NOT_LINEAR: "structure",
  ATTENTION_V_NOT_LINEAR: "structure",
  ATTENTION_OUTPUT_NOT_LINEAR: "structure",
  ATTENTION_INPUTS_DIFFER: "check",
  ATTENTION_KEYS_GIVEN: "check",
  ATTENTION_WIDTH: "check",
  ATTENTION_CACHE_FIXED: "safety",
  MLP_INPUT_NOT_LINEAR: "structure",
  MLP_INPUTS_DIFFER: "check",
  MLP_WIDTH: "check",
  MOE_OUTPUT_NOT_FOUND: "structure",
  MOE_EXPERTS_NOT_FOUND: "structure",
  MOE_INPUTS_DIFFER: "check",
  REGION_NOT_CLOSED: "safety",
  REGION_OVERLAPS: "safety",
};

export function miss(code: MissCode, at: Node | Value, want: string, got: string): Miss {
  return { code, stage: stages[code], at, want, got };
}

/** Whether a recognizer's answer is a refusal. */
export function isMiss(answer: object): answer is Miss {
  return "want" in answer && "stage" in answer;
}

/** `MatMul "/model/layers.0/…" at graph.node[12]`, for messages. */
export function placeText(at: Node | Value): string {
  const name = at.name === undefined || at.name === "" ? "" : ` ${JSON.stringify(at.name)}`;
  if (at instanceof Value) {
    const producer = at.producer;
    return producer === null ? `value${name}` : `value${name} of ${placeText(producer)}`;
  }
  return `${at.op}${name} at ${locText(at.loc)}`;
}
