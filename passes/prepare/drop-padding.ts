import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { before, Builder } from "../../compiler/ir/builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { dropIfUnread } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorType, typeText } from "../../compiler/ir/type.ts";
import type { Use, Value } from "../../compiler/ir/value.ts";
import { roleOf } from "../../compiler/ops/ports/roles.ts";
import { UNPADDED_KEY } from "../../compiler/ops/unpadded.ts";
import type { Provider } from "../../compiler/ops/providers.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import { given } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewDecoder } from "../../compiler/recognize/decoder.ts";
import { knownShapes } from "../../compiler/recognize/known-shapes.ts";
import { Elements } from "../../compiler/recognize/symbolic/elements.ts";
import { Polynomial } from "../../compiler/recognize/symbolic/polynomial.ts";
import { pastsOf } from "../../compiler/recognize/visibilities.ts";
import { portOf, type Typed } from "../_ports.ts";
import { IdleMasks } from "./_idle-masks.ts";
import { PastCount } from "./_past-count.ts";

interface PaddingOptions {
  /** Where the graph is to run; null where that is open. */
  readonly provider: Provider | null;
}

/**
 * Takes padding out of what a graph of one row reckons with: the row holds tokens only, each behind the one before.
 *
 * Before: `position_ids` and `attention_mask` are read.
 * After: `position_ids = Unsqueeze (Range (past, past + new, 1))` in place of the input; whoever reads what the mask holds
 * reads ones, `attention_mask_ones = ConstantOfShape (Shape (attention_mask))`. The input of the mask stays: its width says
 * how many tokens there are.
 *
 * Refuses positions of several axes for each token, masks that say more than which tokens there are, and positions that
 * no shape tells; and a graph that has neither positions nor such a mask.
 */
export const dropPadding: Pass<PaddingOptions, NodeVisitor> = {
  name: "drop-padding",
  summary: "leave out what padding in the row needs: mask and positions",
  options: { provider: given<Provider | null>({ help: "whose kernels run it", default: null }) },
  stats: ["positions", "masks"],
  requires: [],
  walk: nodesIn("main"),
  visitor: ({ model, options, rewriter, analysis, count }) => ({
    model: {
      exit: () => {
        // It has none already.
        if (model.meta.has(UNPADDED_KEY)) return;
        const inputs = model.graph.inputs.filter(({ constant }) => constant === undefined).map(portOf);
        const { positions, masks } = paddedInputs(model, inputs);
        const [first] = model.graph.nodes;
        if (first === undefined) return;
        const past = new PastCount(new Builder(rewriter, before(first)), model, inputs);
        for (const port of positions) countPositions(port, past, model, rewriter);
        const ones = new Map(masks.flatMap((mask) => fillWithOnes(mask, past.builder)));
        const view = analysis(viewDecoder);
        const elements = new Elements(knownShapes(view));
        const pasts = pastsOf(view).flatMap((value) => elements.shapes.of(value)?.at(-2) ?? []);
        new IdleMasks(rewriter, {
          ...{ ones, elements, countsOnDevice: options.provider !== null && options.provider !== "cpu" },
          pasts: pasts.length === 0 ? [Polynomial.ZERO] : pasts,
        }).drop(model.graph);
        dropIfUnread(rewriter, ones.values());
        count("masks", ones.size);
        count("positions", positions.length);
        rewriter.setMeta(model, UNPADDED_KEY, JSON.stringify(positions.map(({ name }) => name)));
      },
    },
  }),
};

/**
 * Positions and masks that can be done without.
 *
 * @throws TfcError UNPADDED_REFUSED, UNPADDED_NOTHING
 */
function paddedInputs(
  model: Model,
  inputs: readonly Typed[],
): { readonly positions: readonly Typed[]; readonly masks: readonly Typed[] } {
  const place = { ...placeOf(model), pass: dropPadding.name };
  const of = (role: string): readonly Typed[] => inputs.filter((port) => roleOf(port) === role);
  const [positions, masks] = [of("positions"), of("mask")];
  const textOf = ({ name, value }: Typed): string => `"${name}" ${typeText(value.type)}`;
  const manifold = positions.find(({ dims }) => dims.length > 2 || dims.length === 0);
  if (manifold !== undefined)
    throw inputError("UNPADDED_REFUSED", place, {
      wanted: "one position for each token, [rows, tokens]",
      found: textOf(manifold),
    });
  const wide = masks.find(({ dims }) => dims.length !== 2);
  if (wide !== undefined)
    throw inputError("UNPADDED_REFUSED", place, {
      wanted: "a mask [rows, tokens], which says which tokens there are and no more",
      found: textOf(wide),
    });
  if (positions.length + masks.length === 0) {
    const found = `the inputs ${inputs.map(({ name }) => `"${name}"`).join(", ")}`;
    throw inputError("UNPADDED_NOTHING", place, { found });
  }
  return { positions, masks };
}

/** Positions of new tokens in place of an input, which goes. @throws TfcError UNPADDED_REFUSED */
function countPositions(
  { value, name, dtype, dims }: Typed,
  past: PastCount,
  { graph }: Model,
  rw: Rewriter,
): void {
  const { builder: b } = past;
  const places = past.places(); // int64 [new tokens]
  const type = dtype ?? "int64";
  const typed = type === "int64" ? places : b.cast(places, type, `${name}_cast`);
  const counted = dims.length === 2 ? b.unsqueeze(typed, [0], `${name}_counted`) : typed;
  if (value.type !== undefined) rw.setType(counted, tensorType(type, dims));
  rw.replaceUses(value, counted);
  rw.removeInput(graph, value);
  rw.setName(counted, name);
}

/** Has what reads the elements of a mask read ones; shapes are read of the mask itself. @returns both; none without readers */
function fillWithOnes({ value, name, dtype, dims }: Typed, b: Builder): (readonly [Value, Value])[] {
  const reads = ({ kind, ...use }: Use): boolean =>
    kind === "output" || !("node" in use) || (use.node.op !== "Shape" && use.node.op !== "Size");
  const readers = new Set([...value.uses].filter(reads));
  if (readers.size === 0) return [];
  const ones = b.filled(b.op("Shape", [value], `${name}_shape`), dtype ?? "int64", 1, `${name}_ones`);
  b.rewriter.setType(ones, tensorType(dtype ?? "int64", dims));
  b.rewriter.replaceUses(value, ones, (use) => readers.has(use));
  return [[value, ones]];
}
