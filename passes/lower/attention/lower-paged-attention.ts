import { madeBy } from "../../../compiler/ir/entity.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import { Func, Model } from "../../../compiler/ir/model.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { replaceBy } from "../../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { TFC_DOMAIN } from "../../../compiler/sites/site.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { rootOf } from "../../../compiler/ir/walk.ts";
import { nodesIn, type NodeVisitor } from "../../../compiler/pass/node-walker.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import { freeName } from "../../../compiler/sites/free-name.ts";
import { admitFunctions } from "../../_module.ts";
import { FunctionBuilder } from "../../../compiler/ir/function-builder.ts";
import { pagedAttention, type PagedForm } from "./_paged-attention.ts";
import { contribOperation, opaqueOperation, unsupported, type PagedOperation } from "./_paged-operation.ts";

/** The first with all that the bodies need: Shape's range, CastLike. */
const OLDEST_OPSET = 15;

/** What the function is called that stands for the op; a second one is numbered. */
export const PAGED_FUNCTION = "tfc::PagedAttention";

/**
 * Writes paged attention with standard ops, so that it runs where onnxruntime has no kernel for it.
 *
 * Before: `out, keys, values = com.microsoft.PagedAttention (q, k, v, key_cache, value_cache, lengths, past, table)`,
 * or `vllm.unified_attention` with the same operands, as a tracer leaves it.
 * After: `out, keys, values = tfc.PagedAttention (…)`, the same operands in the same places; one function for all
 * with the same attributes: scatter into the caches, gather through the block table, scores, mask, Softmax.
 *
 * Works before outlining and, inside the functions that outlining makes, after it. Refuses what it cannot write:
 * caches of quantized or latent content, sinks, norms of q and k, operands that are missing.
 */
export const lowerPagedAttention: Pass<object, NodeVisitor> = {
  name: "lower-paged-attention",
  summary: "write paged attention with standard ops",
  options: {},
  stats: ["calls", "functions"],
  requires: [],
  walk: nodesIn("main", "subgraphs", "functions"),
  visitor: ({ model, rewriter, count }) => {
    const lowering = new Lowering(model, rewriter);
    const lower = (node: Node, read: (node: Node, pass: string) => PagedOperation): void => {
      // A body that the model brings along is what the op means.
      if (model.callee(node) !== undefined) return;
      if (lowering.lower(node, read(node, lowerPagedAttention.name))) count("functions");
      count("calls");
    };
    return {
      ops: {
        "com.microsoft::PagedAttention": (node) => {
          lower(node, contribOperation);
        },
        "vllm::unified_attention": (node) => {
          lower(node, opaqueOperation);
        },
      },
    };
  },
};

class Lowering {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #functions = new Map<string, Func>();

  constructor(model: Model, rw: Rewriter) {
    this.#model = model;
    this.#rw = rw;
  }

  /** @returns whether a function was made for it */
  lower(node: Node, { operands, form }: PagedOperation): boolean {
    const known = this.#functions.get(JSON.stringify(form));
    const func = known ?? this.#make(node, form);
    const call = this.#rw.node({
      op: func.name,
      domain: TFC_DOMAIN,
      ...(node.name === undefined ? {} : { name: node.name }),
      inputs: withoutTail(operands),
      outputs: func.body.outputs.map(() => undefined),
      loc: madeBy(lowerPagedAttention.name, [node.loc]),
    });
    for (const [key, value] of node.meta) this.#rw.setMeta(call, key, value);
    this.#rw.insertBefore(node, call);
    this.#admit(node.graph);
    replaceBy(this.#rw, node, call.outputs);
    return known === undefined;
  }

  #make(node: Node, form: PagedForm): Func {
    const { opset } = this.#model;
    if (opset < OLDEST_OPSET)
      throw unsupported(node, lowerPagedAttention.name, `opset ${OLDEST_OPSET} or later`, `opset ${opset}`);
    const name = freeName(this.#model, "PagedAttention");
    const loc = madeBy(lowerPagedAttention.name, [node.loc]);
    const func = pagedAttention(new FunctionBuilder(this.#rw, loc, name, opset), name, form);
    admitFunctions(this.#model, this.#rw);
    this.#rw.addFunction(this.#model, func);
    this.#functions.set(JSON.stringify(form), func);
    return func;
  }

  /** A function that calls another one imports its domain. */
  #admit(graph: Graph | null): void {
    const owner = graph === null ? null : rootOf(graph);
    if (owner instanceof Func && !owner.opsets.has(TFC_DOMAIN)) this.#rw.setOpset(owner, TFC_DOMAIN, 1);
  }
}

function withoutTail(operands: readonly (Value | null)[]): readonly (Value | null)[] {
  return operands.slice(0, operands.findLastIndex((value) => value !== null) + 1);
}
