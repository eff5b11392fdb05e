import { passError } from "../../compiler/diagnostics/error.ts";
import { placeOf } from "../../compiler/diagnostics/diagnostic.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { Func, Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { replaceBy } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { TFC_DOMAIN } from "../../compiler/sites/site.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { rootOf } from "../../compiler/ir/walk.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { admitFunctions, freeName } from "../_module.ts";
import { FunctionBuilder } from "../../compiler/ir/function-builder.ts";
import { pagedAttention, pagedOperands, type PagedForm } from "./_paged-attention.ts";

/** The first with all that the bodies need: Shape's range, CastLike. */
const OLDEST_OPSET = 15;

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
    const lower = (node: Node, read: (node: Node) => Operation): void => {
      // A body that the model brings along is what the op means.
      if (model.callee(node) !== undefined) return;
      if (lowering.lower(node, read(node))) count("functions");
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

/** A node as the function takes it: operands in the places of {@link pagedOperands}. */
interface Operation {
  readonly operands: readonly (Value | null)[];
  readonly form: PagedForm;
}

class Lowering {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #functions = new Map<string, Func>();

  constructor(model: Model, rw: Rewriter) {
    this.#model = model;
    this.#rw = rw;
  }

  /** @returns whether a function was made for it */
  lower(node: Node, { operands, form }: Operation): boolean {
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
    if (opset < OLDEST_OPSET) throw unsupported(node, `opset ${OLDEST_OPSET} or later`, `opset ${opset}`);
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

/** Reads `com.microsoft::PagedAttention`. */
function contribOperation(node: Node): Operation {
  refuseFeatures(node);
  const operands = pagedOperands.map((_, i) => node.input(i));
  const isPacked = node.input(1) === null;
  requireOperands(node, operands, isPacked ? [0, 3, 4, 5, 6, 7] : [0, 1, 2, 3, 4, 5, 6, 7]);
  const isRotary = node.int("do_rotary") === 1;
  if (isRotary) requireOperands(node, operands, [8, 9]);
  const interleaved = node.int("rotary_interleaved") === 1;
  const form = formOf(node, operands, isPacked);
  return { operands, form: { ...form, rotary: isRotary ? (interleaved ? "pairs" : "halves") : null } };
}

/**
 * Reads `vllm::unified_attention`. The op has no schema: these are its operands where the tracer was given the
 * caches and tables as values, `slot_mapping` being the last and optional.
 */
function opaqueOperation(node: Node): Operation {
  const [first, slots] = [node.inputs.slice(0, 8), node.input(8)];
  if (node.inputs.length > 9) throw unsupported(node, "at most 9 operands", `${node.inputs.length}`);
  const operands = [...first, null, null, slots];
  requireOperands(node, operands, [0, 1, 2, 3, 4, 5, 6, 7]);
  return { operands, form: formOf(node, operands, false) };
}

function formOf(node: Node, operands: readonly (Value | null)[], isPacked: boolean): PagedForm {
  const heads = node.int("num_heads");
  const kvHeads = node.int("kv_num_heads") ?? node.int("num_kv_heads");
  if (heads === undefined || kvHeads === undefined || kvHeads < 1 || heads % kvHeads !== 0) {
    const found = `${heads ?? "none"} and ${kvHeads ?? "none"}`;
    throw unsupported(node, "num_heads, a multiple of kv_num_heads", found);
  }
  const [scale, softcap] = [node.float("scale") ?? 0, node.float("softcap") ?? 0];
  const window = node.int("local_window_size") ?? -1;
  return {
    heads,
    kvHeads,
    scale: scale === 0 ? null : scale,
    window: window < 0 ? null : window,
    softcap: softcap > 0 ? softcap : null,
    isCausal: (node.int("is_causal") ?? 1) !== 0,
    isPacked,
    rotary: null,
    hasSlots: (operands[10] ?? null) !== null,
  };
}

function requireOperands(node: Node, operands: readonly (Value | null)[], needed: readonly number[]): void {
  const missing = needed.find((i) => (operands[i] ?? null) === null);
  if (missing === undefined) return;
  const names = needed.map((i) => pagedOperands[i] ?? "").join(", ");
  throw unsupported(node, `the operands ${names}`, `no ${pagedOperands[missing] ?? ""}`);
}

/** Operands and attributes of later versions of the op that change what it computes. */
function refuseFeatures(node: Node): void {
  const inputs = ["head_sink", "q_norm_weight", "k_norm_weight", "k_scale", "v_scale"];
  const at = inputs.findIndex((_, i) => node.input(pagedOperands.length + i) !== null);
  if (at >= 0) throw unsupported(node, "none of the operands behind slot_mapping", inputs[at] ?? "");
  const plain = { kv_cache_layout: "SEPARATE", k_quant_type: "NONE", v_quant_type: "NONE" };
  for (const [name, value] of Object.entries(plain)) {
    const found = node.string(name) ?? value;
    if (found !== value) throw unsupported(node, `${name} ${value}`, found);
  }
  for (const name of ["rotary_offset", "v_head_size"]) {
    const found = node.int(name) ?? 0;
    if (found !== 0) throw unsupported(node, `${name} 0`, String(found));
  }
}

function unsupported(node: Node, wanted: string, found: string): Error {
  const place = { ...placeOf(node), pass: lowerPagedAttention.name };
  return passError("PAGED_ATTENTION_UNSUPPORTED", place, { op: node.op, wanted, found });
}
