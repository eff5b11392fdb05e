import { inputError } from "../../../compiler/diagnostics/error.ts";
import type { HalfType } from "../../../compiler/ir/dtype.ts";
import type { Provider } from "../../../compiler/ops/providers.ts";
import { nodesIn, type NodeVisitor } from "../../../compiler/pass/node-walker.ts";
import { choice, given } from "../../../compiler/pass/options.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { HalfGraphs } from "./_graphs.ts";
import { HalfPorts, type PortType } from "./_ports.ts";
import { floatTypeOf } from "./_state.ts";
import { keptIn } from "./_kept.ts";

const NAME = "convert-dtype";

/** The first in which ops take it. */
const OLDEST_WITH_BFLOAT16 = 13;

export interface ConvertOptions {
  readonly dtype: HalfType;
  /** The type of float inputs and outputs; null for that of the model. */
  readonly ioDtype: PortType | null;
  /** Where it is to run: what has no kernel there in the type stays in float32. */
  readonly provider: Provider | null;
}

/**
 * Makes a model of float32 one of float16 or bfloat16, as Hugging Face's own is in that type.
 *
 * Before: `e = Gather (W, ids)`, `s = Pow (e, 2)`, …, `n = Mul (e, r)`, `y = Mul (n, w)`, all float32.
 * After: `e` of float16, `f = Cast <float> (e)`, `s = Pow (f, 2)`, …, `n = Mul (f, r)`, `m = Cast <float16> (n)`,
 * `y = Mul (m, w)`.
 *
 * Norms up to their weight, Softmax, the angles of rotary embeddings and routers by Sigmoid stay in float32, and so does
 * what has no such type in the model's opset, or no kernel of the provider.
 */
export const convertDtype: Pass<ConvertOptions, NodeVisitor> = {
  name: NAME,
  summary: "convert a float32 model to float16 or bfloat16",
  options: {
    dtype: choice({ help: "the type", default: "float16", of: ["float16", "bfloat16"] }),
    ioDtype: given<ConvertOptions["ioDtype"]>({ help: "the type of inputs and outputs", default: null }),
    provider: given<ConvertOptions["provider"]>({ help: "where it is to run", default: null }),
  },
  stats: ["weights", "casts", "kept"],
  requires: [],
  walk: nodesIn("main"),
  visitor: ({ model, options, rewriter, sink, analysis, count }) => ({
    model: {
      enter: () => {
        const { dtype, provider } = options;
        const ioDtype = options.ioDtype ?? dtype;
        const state = floatTypeOf(model);
        const refuse = (why: string, inWay: "model" | "ports" = "model"): never => {
          const place = { file: model.loc.file, pass: NAME };
          throw inputError("DTYPE_UNSUPPORTED", place, { to: dtype, why, inWay });
        };
        if (state === dtype && ioDtype === dtype) {
          sink.report("DTYPE_SAME", { file: model.loc.file }, { dtype });
          return "skip";
        }
        if (state === dtype)
          return refuse(
            `its weights are ${state} already, and inputs and outputs of ${ioDtype === "float" ? "float32" : ioDtype} are made only where weights are converted`,
            "ports",
          );
        if (state === null) return refuse("it has no weights of float32");
        if (state !== "float") return refuse(`its weights are ${state}, and are converted from float32 only`);
        if (dtype === "bfloat16" && model.opset < OLDEST_WITH_BFLOAT16)
          return refuse(`opset ${model.opset} has no bfloat16, which begins with ${OLDEST_WITH_BFLOAT16}`);
        const kept = keptIn(model, analysis(viewDecoder));
        const graphs = new HalfGraphs(model, rewriter, dtype, provider, kept);
        const ports = new HalfPorts(model, rewriter, graphs, { dtype, ioDtype });
        ports.inputs();
        graphs.graph(model.graph);
        ports.outputs();
        graphs.values.finish();
        count("weights", graphs.values.converted);
        count("casts", graphs.values.casts);
        count("kept", kept.nodes.size);
        return "skip";
      },
    },
  }),
};
