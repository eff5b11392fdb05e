import type { Model } from "../compiler/ir/model.ts";
import { placeOf } from "../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../compiler/diagnostics/error.ts";
import { FIRST_WITH_DEFAULTS } from "../compiler/ops/constant.ts";
import { ops } from "../compiler/ops/table.ts";
import type { Rewriter } from "../compiler/ir/rewriter.ts";
import { TFC_DOMAIN } from "../compiler/sites/site.ts";

/** IR version 10 has metadata on nodes and functions, where sites are marked; functions themselves came with 8. */
const IR_VERSION = 10;

/** Lets a model hold functions of tfc: the IR version that allows them, and the import of their domain. */
export function admitFunctions(model: Model, rw: Rewriter): void {
  refuseRedefined(model);
  if (model.irVersion < FIRST_WITH_DEFAULTS) dropDefaults(model, rw);
  if (model.irVersion < IR_VERSION) rw.setIrVersion(model, IR_VERSION);
  if (!model.opsets.has(TFC_DOMAIN)) rw.setOpset(model, TFC_DOMAIN, 1);
}

/** What was an input by rule alone would be one that callers may give, once the IR version is raised. */
function dropDefaults({ graph }: Model, rw: Rewriter): void {
  for (const value of [...graph.inputs]) if (value.constant !== undefined) rw.removeInput(graph, value);
}

/**
 * Functions of tfc are written in standard ops, which must mean what the standard says.
 *
 * @throws TfcError STANDARD_OP_REDEFINED where the model has a function of its own under the name of a basic one
 */
function refuseRedefined(model: Model): void {
  for (const func of model.functions.values()) {
    const isStandard = func.domain === "" || func.domain === "ai.onnx";
    const isBasic = (ops.get(func.name)?.traits.size ?? 0) > 0;
    if (isStandard && isBasic) throw inputError("STANDARD_OP_REDEFINED", placeOf(func), { op: func.name });
  }
}

/** The module path of a block's call: `model.layers.0.mlp`, and `model.layers.0.mlp_1` for a layer's second one. */
export function moduleName(layer: { readonly name: string; readonly copy: number }, module: string): string {
  return `${layer.name}.${module}${layer.copy === 0 ? "" : `_${layer.copy}`}`;
}

/**
 * The name of a node that takes the place of another one, with `siblings` more: onnxruntime refuses two nodes of
 * one name, so copies of a call's body are told apart by their own names, else by their numbers.
 */
export function copyName(
  outer: string | undefined,
  inner: string | undefined,
  index: number,
  siblings: number,
): string | undefined {
  if (outer === undefined || outer === "") return inner;
  if (inner !== undefined && inner !== "") return `${outer}/${inner}`;
  return siblings === 1 ? outer : `${outer}/${index}`;
}
