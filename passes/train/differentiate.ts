import { backward } from "../../compiler/autodiff/backward.ts";
import { memories } from "../../compiler/ops/training.ts";
import { atEnd, Builder } from "../../compiler/ir/builder.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { readsOf } from "../../compiler/ir/walk.ts";
import { elementTypeOf } from "../../compiler/ops/element-type.ts";
import { parameterPorts, trainInputs, type Memory } from "../../compiler/ops/training.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import { choice } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { viewDecoder, type DecoderView } from "../../compiler/recognize/decoder.ts";
import { dropUnused } from "../_unused.ts";
import { describeTraining } from "./_describe.ts";
import { computeInFloat } from "./_float-kernels.ts";
import { trainedIn, type Trained } from "./_parameters.ts";
import { dropSeeds, seedsIn } from "./_seeds.ts";

export interface DifferentiateOptions {
  /** What the forward keeps; `by-size` chooses by the model's sizes. */
  readonly memory: Memory | "by-size";
}

/** Tokens of a batch as they are expected: 8 rows of 512. */
const USUAL_TOKENS = 4096;
/** Numbers that a layer makes of a token and its gradient reads, in units of the hidden size: all, and those selected. */
const KEPT = { none: 24, selective: 10 } as const;
/** Bytes that may be kept. */
const MOST = { none: 2 ** 28, selective: 2 ** 33 } as const;

/**
 * Puts the gradients of what is trained behind a graph that gives a loss: the graph backwards.
 *
 * Before: `loss, tokens, tfc.Seed (hidden, d_hidden)`.
 * After: `loss, tokens, P.grad…`, one for each parameter P, float and of its shape. Each function has one gradient
 * function; blocks are gone through one after the other, each behind a barrier (`tfc.Barrier`), so that what is computed
 * again is computed when it is needed.
 *
 * Refuses ops that have no gradient.
 */
export const differentiate: Pass<DifferentiateOptions, NodeVisitor> = {
  name: "differentiate",
  summary: "give the gradients of the loss, for every parameter",
  options: {
    memory: choice({
      help: "what the forward keeps for the backward",
      default: "by-size",
      of: [...memories, "by-size"],
    }),
  },
  stats: ["parameters"],
  requires: [],
  walk: nodesIn(),
  visitor: ({ model, options, rewriter, analysis, count }) => ({
    model: {
      exit: () => {
        const memory = options.memory === "by-size" ? memoryOf(analysis(viewDecoder)) : options.memory;
        const parameters = trainedIn(model);
        write(model, parameters, memory, rewriter);
        dropUnused(model, rewriter);
        computeInFloat(model, rewriter);
        count("parameters", parameters.length);
        describeTraining(model, rewriter, { emit: "grads", memory });
      },
    },
  }),
};

/** By how much all layers would keep of a usual batch. */
function memoryOf({ layers, hiddenSize }: DecoderView): Memory {
  const numbers = layers.length * (hiddenSize ?? 0) * USUAL_TOKENS;
  if (4 * KEPT.none * numbers <= MOST.none) return "none";
  return 4 * KEPT.selective * numbers <= MOST.selective ? "selective" : "recompute";
}

function write(model: Model, parameters: readonly Trained[], memory: Memory, rw: Rewriter): void {
  const { graph } = model;
  const seeds = new Map(seedsIn(model).map(({ value, gradient }) => [value, gradient]));
  dropSeeds(model, rw);
  const found = backward(model, rw, {
    ...{ seeds, memory, wanted: parameters.map(({ value }) => value) },
    nodes: behindInputs(model, seeds.keys()),
  });
  const b = new Builder(rw, atEnd(graph), { namesNodes: false });
  const scale = graph.inputs.find(({ name }) => name === trainInputs.lossScale);
  for (const { value, name, shape } of parameters) {
    const port = parameterPorts(name).grad;
    const gradient = gradientOf(b, value, found.get(value) ?? null, scale ?? null, port);
    rw.setName(gradient, port);
    rw.setType(gradient, tensorType("float", shape));
    rw.setOutput(graph, graph.outputs.length, gradient);
  }
}

/** The nodes that some values are made by, in order. */
function behindInputs({ graph }: Model, values: Iterable<Value>): readonly Node[] {
  const makers = new Set<Node>();
  const pending = [...values].map(({ producer }) => producer);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node === null || makers.has(node)) continue;
    makers.add(node);
    pending.push(...readsOf(node).map(({ producer }) => producer));
  }
  return [...graph.nodes].filter((node) => makers.has(node));
}

/** A gradient of its own as a float; zeros where nothing depends on the parameter. */
function gradientOf(
  b: Builder,
  parameter: Value,
  gradient: Value | null,
  scale: Value | null,
  name: string,
): Value {
  if (gradient === null) {
    const zero = b.constant("float", [], [0], "no_gradient");
    return b.op("Expand", [zero, b.op("Shape", [parameter], "parameter_sizes")], name);
  }
  const wide = elementTypeOf(parameter) === "float" ? gradient : b.cast(gradient, "float", `${name}_float`);
  if (scale !== null) return b.op("Div", [wide, scale], name);
  // An output of the graph is made by a node, and once.
  return wide.producer === null || wide.isOutput ? b.op("Identity", [wide], name) : wide;
}
