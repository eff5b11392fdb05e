import { madeBy, type Loc } from "../../compiler/ir/entity.ts";
import { attribute } from "../../compiler/ir/attribute.ts";
import { cloneNode, type ValueMap } from "../../compiler/ir/clone.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import type { Func, Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread, takeOver } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { markSite, TFC_DOMAIN, type SiteMark } from "../../compiler/sites/site.ts";
import type { Tensor } from "../../compiler/ir/tensor.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { has } from "../../compiler/ops/table.ts";
import { readsOf } from "../../compiler/ir/walk.ts";
import type { Region } from "../../compiler/recognize/region.ts";
import { freeName } from "../../compiler/sites/free-name.ts";
import { isOutside, structureOf, tensorText, type Structure } from "./_structure.ts";

/** A block to become a call. */
export interface Outlined {
  readonly region: Region;
  /** The call's name: `model.layers.0.mlp`. */
  readonly name: string;
  /** How adapters find the call; null for one that is no place for adapters. */
  readonly site: SiteMark | null;
  /** What some values are to the block (`mask`, `past_key`): names of the function's parameters. */
  readonly roles: ReadonlyMap<Value, string>;
  /** Metadata of nodes in the function's body; blocks that differ in it do not share one. */
  readonly marks: Marks;
}

export type Marks = ReadonlyMap<Node, ReadonlyMap<string, string>>;

/** A block that was noted, with its structure. */
export interface Member {
  readonly block: Outlined;
  readonly structure: Structure;
  readonly group: Group;
}

/** Blocks of one structure. */
interface Group {
  readonly members: Member[];
  /** Made when the first of them is replaced: all are known then, and what they share. */
  body: Body | null;
}

/** The function that the blocks of a group become calls of. */
interface Body extends Plan {
  readonly func: Func;
}

/**
 * Replaces blocks by calls of model-local functions, one function for all blocks of one structure. What a block
 * reads from outside becomes an input, weights included, in the order of first reading; what is read outside
 * becomes an output. The nodes in the body are exact copies, so no result can change.
 *
 * All blocks are added before the first is replaced: the body that a group shares depends on every member.
 */
export class Calls {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #functionName: string;
  readonly #groups = new Map<string, Group>();
  /** A block may read what another one made: that is then an output of the other's call. */
  readonly #moved = new Map<Value, Value>();

  constructor(model: Model, rw: Rewriter, functionName: string) {
    this.#model = model;
    this.#rw = rw;
    this.#functionName = functionName;
  }

  /** Changes nothing yet. */
  add(block: Outlined): Member {
    const structure = structureOf(block.region);
    const key = structure.key + marksText(structure, block.marks);
    const group = this.#groups.get(key) ?? { members: [], body: null };
    this.#groups.set(key, group);
    const member = { block, structure, group };
    group.members.push(member);
    return member;
  }

  /** @returns whether a function was made for it */
  replace(member: Member): boolean {
    const { group } = member;
    const now = this.#current(member);
    const known = group.body;
    group.body ??= this.#body(now);
    replaceByCall(this.#rw, now, { ...group.body, moved: this.#moved });
    return known === null;
  }

  #body(first: Member): Body {
    const { members } = first.group;
    const plan = {
      inBody: first.structure.constants.map((_, i) => sameConstant(members, i)),
      outputs: unionOfOutputs(members),
    };
    const loc = madeBy(this.#rw.pass ?? "", [first.block.region.output.loc]);
    const name = freeName(this.#model, this.#functionName);
    const func = buildFunction(this.#model, this.#rw, first, { ...plan, loc, name });
    this.#rw.addFunction(this.#model, func);
    return { ...plan, func };
  }

  /** A member as it is after other blocks were replaced. */
  #current(member: Member): Member {
    const { region, inputs } = member.structure;
    const input = this.#moved.get(region.input) ?? region.input;
    const isStale = input !== region.input || inputs.some((value) => this.#moved.has(value));
    return isStale ? { ...member, structure: structureOf({ ...region, input }) } : member;
  }
}

function marksText({ nodes }: Structure, marks: Marks): string {
  return nodes
    .map((node, i) => [...(marks.get(node) ?? [])].map((mark) => `;${i} ${mark.join(" ")}`))
    .join("");
}

/** Whether a constant is the same in all members; one that is not is passed by each call. */
function sameConstant(group: readonly Member[], index: number): boolean {
  const texts = group.map(({ structure }) => {
    const constant = structure.constants[index];
    return constant === undefined ? "" : tensorText(constant.tensor);
  });
  return new Set(texts).size === 1;
}

type Output = readonly [node: number, output: number];

/** The outputs that any member needs: a layer whose keys are read elsewhere shares its body with one whose are not. */
function unionOfOutputs(group: readonly Member[]): readonly Output[] {
  const union = new Map<string, Output>();
  for (const { structure } of group)
    for (const output of structure.outputs) union.set(output.join("."), output);
  const [block, ...others] = union.values();
  others.sort(([a, i], [b, j]) => a - b || i - j);
  return block === undefined ? [] : [block, ...others];
}

interface Plan {
  readonly inBody: readonly boolean[];
  readonly outputs: readonly Output[];
}

function buildFunction(
  model: Model,
  rw: Rewriter,
  member: Member,
  plan: Plan & { loc: Loc; name: string },
): Func {
  const { structure, block } = member;
  const { loc } = plan;
  const body = rw.graph(loc, plan.name);
  const names = new Names();
  const map: ValueMap = new Map();
  const parameter = (value: Value, hint: string): void => {
    const twin = rw.value(loc, names.take(hint));
    rw.addInput(body, twin);
    map.set(value, twin);
  };
  structure.inputs.forEach((value, i) => {
    parameter(value, i === 0 ? "hidden_states" : (block.roles.get(value) ?? hintOf(value)));
  });
  // Exporters write a Constant node for each reader; in the body one serves all.
  const shared = new Map<string, Value>();
  structure.constants.forEach(({ value, tensor }, i) => {
    if (plan.inBody[i] !== true) {
      parameter(value, block.roles.get(value) ?? "constant");
      return;
    }
    const known = shared.get(tensorText(tensor));
    const twin = known ?? constantIn(rw, body, names.take(`c${shared.size}`), tensor, loc);
    shared.set(tensorText(tensor), twin);
    map.set(value, twin);
  });
  const roleOfOutput = new Map(plan.outputs.map(([n, o], i) => [structure.nodes[n]?.outputs[o], i]));
  for (const node of structure.nodes) {
    const twin = rw.append(body, cloneNode(rw, node, map, loc));
    for (const [key, text] of block.marks.get(node) ?? []) rw.setMeta(twin, key, text);
    node.outputs.forEach((value, i) => {
      const output = twin.outputs[i];
      if (output === undefined || (value.uses.size === 0 && value.name === undefined)) return;
      const hint =
        roleOfOutput.get(value) === 0 ? "output" : (block.roles.get(value) ?? node.opType.toLowerCase());
      rw.setName(output, names.take(hint));
    });
  }
  plan.outputs.forEach(([n, o], i) => {
    const value = structure.nodes[n]?.outputs[o];
    const twin = value === undefined ? undefined : map.get(value);
    if (twin) rw.setOutput(body, i, twin);
  });
  return rw.func(loc, { domain: TFC_DOMAIN, name: plan.name }, body, opsetsOf(model, structure.nodes));
}

function constantIn(rw: Rewriter, body: Graph, name: string, tensor: Tensor, loc: Loc): Value {
  const value = attribute.tensor(tensor);
  return rw.append(body, rw.node({ op: "Constant", inputs: [], outputs: [name], attributes: { value }, loc }))
    .result;
}

/** The opsets a body imports: those of the domains its nodes use, at the model's versions. */
function opsetsOf(model: Model, nodes: readonly Node[]): ReadonlyMap<string, number> {
  const domains = new Set([""]);
  const see = (node: Node): void => {
    domains.add(node.domain);
    for (const graph of node.subgraphs) for (const inner of graph.nodes) see(inner);
  };
  nodes.forEach(see);
  // "ai.onnx" and "" are one domain under two names.
  const versions = new Map(
    [...model.opsets].map(([domain, version]) => [domain === "ai.onnx" ? "" : domain, version]),
  );
  return new Map([...domains].map((d) => (d === "ai.onnx" ? "" : d)).map((d) => [d, versions.get(d) ?? 1]));
}

function replaceByCall(
  rw: Rewriter,
  member: Member,
  plan: Plan & { func: Func; moved: Map<Value, Value> },
): void {
  const { block, structure } = member;
  const { nodes } = structure;
  const last = nodes.at(-1);
  if (last === undefined) return;
  const passed = structure.constants.filter((_, i) => plan.inBody[i] !== true).map(({ value }) => value);
  const results = plan.outputs.map(([n, o]) => nodes[n]?.outputs[o]);
  const call = rw.node({
    op: plan.func.name,
    domain: TFC_DOMAIN,
    name: block.name,
    inputs: [...structure.inputs, ...passed],
    outputs: results.map(() => undefined),
    loc: madeBy(
      rw.pass ?? "",
      nodes.map((node) => node.loc),
    ),
  });
  if (block.site !== null) markSite(rw, call, block.site);
  rw.insertAfter(last, call);
  moveReadersBehind(rw, call, block.region);
  const members = new Set(block.region.nodes);
  results.forEach((value, i) => {
    const result = call.outputs[i];
    if (value === undefined || result === undefined) return;
    takeOver(rw, value, result, (use) => isOutside(use, members));
    plan.moved.set(value, result);
  });
  removeNodes(rw, [...block.region.nodes]);
  // onnxruntime warns of initializers that nothing reads.
  dropIfUnread(
    rw,
    structure.constants.map(({ value }) => value),
  );
}

/**
 * Nodes that stand between the region's nodes and read what it makes (a Shape of the new keys, say) go behind the
 * call, with what depends on them, in their order.
 */
function moveReadersBehind(rw: Rewriter, call: Node, region: Region): void {
  const members = new Set(region.nodes);
  const late = new Set<Value>(region.nodes.flatMap((node) => node.outputs));
  const [first] = region.nodes;
  const graph = call.graph;
  if (first === undefined || graph === null) return;
  let anchor = call;
  for (let node: Node | null = first; node !== null && node !== call;) {
    const next: Node | null = node.next;
    if (!members.has(node) && readsOf(node).some((value) => late.has(value))) {
      for (const value of node.outputs) late.add(value);
      rw.moveAfter(node, anchor);
      anchor = node;
    }
    node = next;
  }
}

/** Removes the region's nodes, readers before what they read. A Constant that something else still reads stays. */
function removeNodes(rw: Rewriter, nodes: readonly Node[]): void {
  for (const node of [...nodes].reverse()) {
    if (node.outputs.every((value) => value.uses.size === 0)) rw.remove(node);
  }
}

function hintOf(value: Value): string {
  if (value.constant !== undefined) return "weight";
  // A graph input means the same to every layer, unless its name has a layer's number in it.
  if (value.producer === null && /^[A-Za-z_]+$/.test(value.name ?? "")) return value.name ?? "input";
  const type = asTensor(value.type);
  const isShape = type?.dtype === "int64" && (type.shape?.length ?? 1) < 2;
  if (isShape || (value.producer !== null && makesShape(value.producer))) return "shape";
  return value.producer?.opType.toLowerCase() ?? "input";
}

/** What a value from such a node is to a block, when its type does not say. */
function makesShape(node: Node): boolean {
  return has(node, "shape") || node.op === "Concat";
}

/** Names within one function. */
class Names {
  readonly #taken = new Map<string, number>();

  take(hint: string): string {
    const n = this.#taken.get(hint) ?? 0;
    this.#taken.set(hint, n + 1);
    return n === 0 ? hint : this.take(`${hint}_${n}`);
  }
}
