import type { Attribute } from "../../compiler/ir/attribute.ts";
import { calleesOf } from "../../compiler/ir/calls.ts";
import type { ValueMap } from "../../compiler/ir/clone.ts";
import { madeBy } from "../../compiler/ir/entity.ts";
import { inlinedSize, MOST_INLINED } from "../../compiler/ir/inlined-size.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { replaceByGraph } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { TFC_DOMAIN } from "../../compiler/sites/site.ts";
import { opNamed, opOf } from "../../compiler/ops/table.ts";
import { DETACHED_KEY } from "../../compiler/ops/training.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { graphsDeep, nodesDeep } from "../../compiler/ir/walk.ts";
import { nodesIn, type NodeVisitor } from "../../compiler/pass/node-walker.ts";
import { yesNo } from "../../compiler/pass/options.ts";
import type { Pass } from "../../compiler/pass/pass.ts";
import { copyName } from "../_module.ts";

export interface InlineOptions {
  /** Whether functions that tfc made are inlined as well: a compiled model becomes the base that it was made of. */
  readonly made: boolean;
}

/**
 * Inlines the model's own functions when they hide what recognition looks for.
 *
 * Exporters leave functions for what they did not translate (`aten_mm`, `aten_view`), for scaled-dot-product
 * attention, or for whole modules.
 *
 * Before: `h = pkg.aten_mm (x, w)`; after: `h = MatMul (x, w)`.
 *
 * Leaves alone: models none of whose functions holds a product, a Softmax or an activation; calls that leave out an
 * operand which the function hands on as a result; functions in domains of onnxruntime,
 * which are fallbacks for ops it has kernels for; functions made by tfc, unless they are asked for, and then those that are attention by
 * definition; functions of another opset than the model, whose ops may mean something else outside.
 */
export const inlineFunctions: Pass<InlineOptions, NodeVisitor> = {
  name: "inline-functions",
  summary: "inline the model's functions where they hide projections or attention",
  options: { made: yesNo({ help: "inline functions that tfc made, too" }) },
  stats: ["calls", "functions"],
  requires: [],
  walk: nodesIn("main", "subgraphs"),
  visitor: ({ model, options, rewriter, sink, count }) => {
    const inlinable = inlinableFunctions(model, options.made);
    const nodes = inlinedSize(model, inlinable);
    if (nodes > MOST_INLINED) {
      sink.report("FUNCTIONS_NOT_INLINED", { file: model.loc.file }, { nodes, most: MOST_INLINED });
      return {};
    }
    const inlined = new Set<Func>();
    return {
      node: (node) => {
        const callee = model.callee(node);
        if (callee === undefined || !inlinable.has(callee) || handsOnAbsent(node, callee)) return;
        inlineCall(rewriter, node, callee);
        for (const [domain, version] of callee.opsets) {
          const isKnown = domain === "" || domain === "ai.onnx" || model.opsets.has(domain);
          if (!isKnown) rewriter.setOpset(model, domain, version);
        }
        inlined.add(callee);
        count("calls");
      },
      model: {
        exit: () => {
          count("functions", removeUncalled(model, rewriter, inlined));
        },
      },
    };
  },
};

/** Whether a node is of what recognition looks for: a product, attention, an activation. */
function isHidden(node: Node): boolean {
  const { traits, attention, activation } = opOf(node);
  return (
    traits.has("product") ||
    attention !== null ||
    activation !== null ||
    ["Gemm", "Softmax"].includes(node.op)
  );
}

const foreignDomains: ReadonlySet<string> = new Set([
  "",
  "ai.onnx.ml",
  "com.microsoft",
  "com.ms.internal.nhwc",
  TFC_DOMAIN,
]);

function inlinableFunctions(model: Model, takesMade: boolean): ReadonlySet<Func> {
  const functions = [...model.functions.values()].filter((func) => isInlinable(model, func));
  const foreign = functions.filter(({ domain }) => !foreignDomains.has(domain));
  const holdsHidden = foreign.some((func) => [...nodesDeep(func.body)].some(isHidden));
  const made = functions.filter((func) => takesMade && func.domain === TFC_DOMAIN && !isAttention(func));
  return new Set([...(holdsHidden ? foreign : []), ...made]);
}

/** Whether a function is attention by definition: it stands for an op, as it is. */
function isAttention({ domain, name }: Func): boolean {
  return opNamed(`${domain}::${name}`).attention !== null;
}

function isInlinable(model: Model, func: Func): boolean {
  return [...func.opsets].every(([domain, version]) => {
    const own = domain === "" || domain === "ai.onnx" ? model.opset : model.opsets.get(domain);
    return own === undefined || own === version;
  });
}

/** Puts copies of the body's nodes in place of the call. The walk goes on with them, so calls inside are inlined too. */
function inlineCall(rw: Rewriter, call: Node, func: Func): void {
  const map: ValueMap = new Map(func.body.inputs.map((formal, i) => [formal, call.input(i)]));
  const isMade = func.domain === TFC_DOMAIN;
  const outer = isMade ? placeName(call) : call.name;
  replaceByGraph(rw, call, func.body, map, {
    loc: madeBy(inlineFunctions.name, [call.loc]),
    copied: (copy, node, index) => {
      bindAttributes(rw, copy, call, func);
      rw.setName(copy, copyName(outer, node.name, index, func.body.size));
      if (isMade) nameApart(rw, copy, outer);
      // What the exporter said of the call: module paths are read from it later.
      for (const [key, value] of [...call.meta, ...node.meta]) if (!isMark(key)) rw.setMeta(copy, key, value);
    },
  });
}

/** A call by its name, else by that of what it makes. */
function placeName({ name = "", outputs: [first] }: Node): string | undefined {
  return name === "" ? first?.name : name;
}

/** All layers share the names in a body of tfc's, and what passes write into their copies is named after them. */
function nameApart(rw: Rewriter, copy: Node, outer: string | undefined): void {
  if (outer === undefined) return;
  for (const value of copy.outputs) {
    const own = value.name ?? "";
    const name = own !== "" ? `${outer}/${own}` : copy.outputs.length === 1 ? copy.name : undefined;
    if (name !== undefined) rw.setName(value, name);
  }
}

/** Whether metadata say what a node is to tfc in the function that it is taken out of. */
function isMark(key: string): boolean {
  return key.startsWith("tfc.") && key !== DETACHED_KEY;
}

/** Whether the function, or a graph inside it, has an operand as a result that the call leaves out: there is none. */
function handsOnAbsent(call: Node, { body }: Func): boolean {
  const absent = new Set<Value>(body.inputs.filter((_, i) => call.input(i) === null));
  return (
    absent.size > 0 && graphsDeep(body).some(({ outputs }) => outputs.some((value) => absent.has(value)))
  );
}

/** Replaces references to the function's attributes by what the call gives, or by the default. */
function bindAttributes(rw: Rewriter, copy: Node, call: Node, func: Func): void {
  const inner = copy.subgraphs.flatMap((graph) => [...nodesDeep(graph)]);
  for (const node of [copy, ...inner]) {
    for (const [name, attr] of [...node.attributes]) {
      if (attr.kind !== "ref") continue;
      const given: Attribute | undefined =
        call.attributes.get(attr.parameter) ?? func.defaults.get(attr.parameter);
      if (given === undefined) rw.removeAttribute(node, name);
      else rw.setAttribute(node, name, withoutSource(given));
    }
  }
}

/** The attribute without the message it came from, which bears another name. */
function withoutSource(attr: Attribute): Attribute {
  const content = { ...attr };
  delete (content as { source?: object }).source;
  return content;
}

/** Removes those of some functions that nothing calls any more, nor those that only they called. */
function removeUncalled(model: Model, rw: Rewriter, inlined: ReadonlySet<Func>): number {
  const callees = new Map([...model.functions.values()].map((func) => [func, calleesOf(model, func.body)]));
  const callers = new Map<Func, number>();
  const count = (all: Iterable<Func>, by: number): void => {
    for (const func of all) callers.set(func, (callers.get(func) ?? 0) + by);
  };
  for (const all of [calleesOf(model, model.graph), ...callees.values()]) count(all, 1);
  const isUncalled = (func: Func): boolean => inlined.has(func) && callers.get(func) === 0;
  count(inlined, 0);
  const pending = [...inlined].filter(isUncalled);
  let removed = 0;
  for (let func = pending.pop(); func !== undefined; func = pending.pop(), removed++) {
    const lost = callees.get(func) ?? [];
    rw.removeFunction(model, func);
    count(lost, -1);
    for (const callee of lost) if (isUncalled(callee)) pending.push(callee);
  }
  return removed;
}
