import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import { passError } from "../../../compiler/diagnostics/error.ts";
import type { Sink } from "../../../compiler/diagnostics/sink.ts";
import { dtypes, type DType } from "../../../compiler/ir/dtype.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { graphsDeep } from "../../../compiler/ir/walk.ts";
import { providers, type Provider } from "../../../compiler/ops/providers.ts";
import { given } from "../../../compiler/pass/options.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import { computedFrom } from "../../../compiler/recognize/activations.ts";
import { blocks, type BlockVisitor } from "../../../compiler/recognize/blocks.ts";
import { viewDecoder } from "../../../compiler/recognize/decoder.ts";
import { GraphIndex } from "../../../compiler/recognize/graph-index.ts";
import { knownShapes } from "../../../compiler/recognize/known-shapes.ts";
import type { Moe } from "../../../compiler/recognize/moe/moe.ts";
import { Elements } from "../../../compiler/recognize/symbolic/elements.ts";
import type { Shapes } from "../../../compiler/recognize/symbolic/shapes.ts";
import type { BlockSettings } from "../../../compiler/weights/nbits/settings.ts";
import { otherType } from "../_other-type.ts";
import { groupsExperts, rowProductOf, stackProductOf, type StackProduct } from "./_expert-products.ts";
import { QuantizableExperts } from "./_quantizable-experts.ts";
import { quantizable, typeObstacle, type Quantizable } from "./_quantizable.ts";
import { RoundedLinears } from "./_rounded-linears.ts";
import { RoundedStacks } from "./_rounded-stacks.ts";
import { QuantizedLinears } from "./_quantized-linears.ts";

export interface QuantizeOptions {
  readonly settings: BlockSettings;
  readonly provider: Provider | null;
  /** Whether the graph keeps its ops, with the numbers that quantized weights stand for. */
  readonly keepsFloats: boolean;
}

/**
 * Quantizes the weights of projections and of the head, and leaves activations as they are.
 *
 * Before: `q = MatMul (x, W)`, W `[in, out]` of floats, also read through a Transpose, or as the embeddings turned.
 * After: `q = MatMulNBits <K, N, bits, block_size> (x, W_Q4, W_scales, W_zero_points)`.
 *
 * The numbers are made when the output is written, bit for bit those of onnxruntime's own quantizer (round to nearest).
 * Products with one matrix of a stack, as experts are multiplied one by one, are quantized alike, each to tensors of its own.
 *
 * Leaves alone embeddings, norms, the routers of mixtures of experts and the gates of shared experts; and, with a
 * warning that says why, products with all experts' weights at once, and what has no kernel or is computed on.
 */
export const quantizeWeights: Pass<QuantizeOptions, BlockVisitor> = {
  name: "quantize-weights",
  summary: "quantize the weights of projections and of the head",
  options: {
    settings: given<BlockSettings>({
      help: "bits, block and whether it is symmetric",
      default: { bits: 4, block: 32, symmetric: false },
    }),
    provider: given<Provider | null>({ help: "whose kernels run it", default: null }),
    keepsFloats: given<boolean>({
      help: "write the numbers that quantized weights stand for",
      default: false,
    }),
  },
  stats: ["quantized", "kept"],
  requires: [],
  walk: blocks,
  visitor: ({ model, options, rewriter, sink, count, analysis }) => {
    const view = analysis(viewDecoder);
    const stream: Value[] = [];
    const moes: Moe[] = [];
    return {
      embedding: (node) => {
        stream.push(...node.outputs);
      },
      attention: ({ region }) => {
        stream.push(region.input);
      },
      mlp: ({ region }) => {
        stream.push(region.input);
      },
      moe: (moe) => {
        stream.push(moe.region.input);
        moes.push(moe);
      },
      site: ({ input }) => {
        stream.push(input);
      },
      model: {
        exit: () => {
          const isReached = computedFrom(model.graph, stream);
          const found = plan(model, isReached, moes, options.provider);
          const kept = [...found.kept, ...stackedIn(moes, found.linears)];
          if (found.linears.length === 0) throw nothing(model, { ...found, kept }, options.provider);
          const writer = new (options.keepsFloats ? RoundedLinears : QuantizedLinears)(
            model,
            rewriter,
            options,
          );
          for (const one of found.linears) writer.write(one);
          if (options.keepsFloats && groupsExperts(options.provider)) {
            const stacks = new RoundedStacks(model, rewriter, options.settings);
            const { shapes } = new Elements(knownShapes(view));
            for (const { stack, side } of stacksIn(model, isReached, shapes)) stacks.write(stack, side);
          }
          count("quantized", found.linears.length);
          count("kept", kept.length);
          reportKept(kept, sink);
        },
      },
    };
  },
};

/** What stays as it is, and why. */
interface Kept {
  readonly node: Node;
  readonly why: string;
}

interface Found {
  readonly linears: readonly Quantizable[];
  readonly kept: readonly Kept[];
  /** How many are quantized already. */
  readonly already: number;
}

/** The linears that the residual stream goes through: not those that make tables of positions. */
function plan(
  model: Model,
  isReached: ReadonlySet<Value>,
  moes: readonly Moe[],
  provider: Provider | null,
): Found {
  const deciding = new Set(moes.flatMap(decidersOf));
  const linears: Quantizable[] = [];
  const kept: Kept[] = [];
  let already = 0;
  const experts = new QuantizableExperts(provider);
  for (const graph of graphsDeep(model.graph)) {
    for (const node of graph.nodes) {
      const [input] = node.inputs;
      const expert = input != null && isReached.has(input) ? experts.of(node) : null;
      if (expert !== null) linears.push(expert);
    }
    for (const linear of new GraphIndex(model, graph).linears) {
      if (deciding.has(linear.node) || !isReached.has(linear.input)) continue;
      const found = quantizable(linear, provider);
      if (!("why" in found)) linears.push(found);
      else if (found.isQuantized) already++;
      else kept.push({ node: linear.node, why: found.why });
    }
  }
  return { linears, kept, already };
}

/** Stacks of weights that rows of experts are multiplied with. */
function stacksIn(
  { graph }: Model,
  isReached: ReadonlySet<Value>,
  shapes: Shapes,
): readonly Pick<StackProduct, "stack" | "side">[] {
  return [...graph.nodes].flatMap((node) => {
    const product = rowProductOf(node, shapes) ?? stackProductOf(node, shapes);
    return product !== null && isReached.has(product.rows) ? [product] : [];
  });
}

/** What decides where a token goes, and how much of it: a few numbers, on which everything else depends. */
function decidersOf({ router, shared }: Moe): readonly Node[] {
  return [router.linear.node, ...shared.flatMap(({ gate }) => (gate === null ? [] : [gate.node]))];
}

/** Mixtures that multiply with all experts' weights at once, or with copies of them. */
function stackedIn(moes: readonly Moe[], quantizables: readonly Quantizable[]): readonly Kept[] {
  const quantized = new Set(quantizables.map(({ node }) => node));
  return moes
    .filter(
      ({ form, anchor, products }) =>
        (form === "batched" && products.some((node) => !quantized.has(node))) ||
        (form === "op" && anchor.opType === "MoE"),
    )
    .map(({ anchor }) => ({ node: anchor, why: "the weights of its experts are in one tensor" }));
}

/** One message for each reason. */
function reportKept(kept: readonly Kept[], sink: Sink): void {
  for (const why of new Set(kept.map((one) => one.why))) {
    const [first, ...more] = kept.filter((one) => one.why === why);
    if (first === undefined) continue;
    const place = { ...placeOf(first.node), pass: quantizeWeights.name };
    sink.report("QUANTIZE_KEPT", place, { count: 1 + more.length, why });
  }
}

function nothing(
  model: Model,
  { kept, already }: Pick<Found, "kept" | "already">,
  provider: Provider | null,
): Error {
  const whys = new Set(kept.map(({ why }) => why));
  const reasons = [...(already === 0 ? [] : [`${already} whose weights are quantized already`]), ...whys];
  const found = reasons.length === 0 ? "none that multiply with a weight" : reasons.join("; ");
  const remedy = otherTypeFor(whys, provider);
  const place = { file: model.loc.file, pass: quantizeWeights.name };
  return passError("QUANTIZE_NOTHING", place, { found, ...(remedy === null ? {} : { remedy }) });
}

/** What to do where kernels lack the type of the activations; null where that is not in the way. */
function otherTypeFor(whys: ReadonlySet<string>, provider: Provider | null): string | null {
  const lacks = (dtype: DType, where: Provider | null): boolean => typeObstacle(dtype, where) !== null;
  const lacking = dtypes.filter((dtype) => whys.has(typeObstacle(dtype, provider) ?? ""));
  if (lacking.length === 0) return null;
  const others =
    provider === null ? [] : providers.filter((one) => !lacking.some((dtype) => lacks(dtype, one)));
  return otherType((dtype) => !lacks(dtype, provider), others);
}
