import type { Pass } from "../../compiler/pass/pass.ts";
import { outlined } from "../../compiler/sites/invariants.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { siteOf, type BlockKind } from "../../compiler/sites/site.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { GraphIndex } from "../../compiler/recognize/graph-index.ts";
import { isMiss } from "../../compiler/recognize/miss.ts";
import { recognizeNorm } from "../../compiler/recognize/norm/norm.ts";
import { regionBetween } from "../../compiler/recognize/region.ts";
import { admitFunctions } from "../_module.ts";
import { outlineBlocks, type Outlined } from "./_outline.ts";

/**
 * Turns the norms in front of outlined blocks, and the one in front of the head, into calls.
 *
 * Before: `Pow, ReduceMean, Add, Sqrt, Reciprocal, Mul, Mul`, seven nodes a norm.
 * After: `x = tfc.Norm (residual, weight)`, one function for all norms of equal structure.
 *
 * Only makes a printed layer readable: nothing is computed otherwise. Leaves alone norms that are one op already,
 * and what is not recognized as a norm.
 */
export const outlineNorms: Pass = {
  name: "outline-norms",
  summary: "turn each norm that is written out in plain ops into a call of a model-local function",
  options: {},
  stats: ["norms", "functions"],
  scopes: ["main", "subgraphs"],
  requires: [outlined],
  ensures: [],
  visitor: ({ model, rewriter, count }) => ({
    graph: {
      enter: (graph) => {
        const norms = normsOf(model, graph);
        if (norms.length === 0) return;
        admitFunctions(model, rewriter);
        count(
          "functions",
          outlineBlocks(model, rewriter, norms, { pass: "outline-norms", functionName: "Norm" }),
        );
        count("norms", norms.length);
      },
    },
  }),
};

const suffixes: Readonly<Record<BlockKind, string>> = {
  attn: "input_layernorm",
  mlp: "post_attention_layernorm",
};

function normsOf(model: Model, graph: Graph): Outlined[] {
  const index = new GraphIndex(model, graph);
  const found: Outlined[] = [];
  const taken = new Set<Node>();
  const names = new Set<string>();
  const add = (value: Value, module: string, usual: string): void => {
    const norm = recognizeNorm(value);
    if (norm?.form !== "plain" || norm.input?.producer?.graph !== graph) return;
    const region = regionBetween(norm.input, value, index);
    // A second reader of one norm finds it taken; a region with a call or projection in it is more than a norm.
    if (isMiss(region) || region.nodes.some((node) => taken.has(node) || isMore(model, node, index))) return;
    for (const node of region.nodes) taken.add(node);
    const name = freeOf(`${module}.${ownName(region.nodes) ?? usual}`, names);
    const roles = rolesOf(region.nodes.flatMap((node) => node.inputs));
    found.push({ region, name, site: null, roles, marks: new Map() });
  };
  for (const node of graph.nodes) {
    const site = siteOf(node);
    if (site === null) continue;
    add(site.input, site.name.slice(0, site.name.lastIndexOf(".")), suffixes[site.site]);
  }
  for (const linear of index.linears) add(linear.input, "model", "norm");
  return found;
}

function isMore(model: Model, node: Node, index: GraphIndex): boolean {
  return model.callee(node) !== undefined || index.linearOf(node) !== null || node.subgraphs.length > 0;
}

/** What the norm's weight says it is: `model.layers.0.pre_feedforward_layernorm.weight`. */
function ownName(nodes: readonly Node[]): string | null {
  const weights = nodes.flatMap((node) => node.inputs).map((value) => value?.name ?? "");
  const named = weights.map((name) => /(?:^|\.)layers\.\d+\.(\w*norm\w*)\.weight$/.exec(name)?.[1]);
  return named.find((name) => name !== undefined) ?? null;
}

/** A name no other norm has: onnxruntime refuses two nodes of one name. */
function freeOf(name: string, taken: Set<string>): string {
  let free = name;
  for (let n = 1; taken.has(free); n++) free = `${name}_${n}`;
  taken.add(free);
  return free;
}

/** The parameter that is more than a scalar is the norm's weight. */
function rolesOf(inputs: readonly (Value | null)[]): ReadonlyMap<Value, string> {
  const roles = new Map<Value, string>();
  for (const value of inputs)
    if (value !== null && (value.constant?.size ?? 1) > 1) roles.set(value, "weight");
  return roles;
}
