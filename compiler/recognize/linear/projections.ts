import type { Node } from "../../ir/node.ts";
import type { LinearMark, Part, ProjectionKind } from "../../sites/site.ts";
import type { Value } from "../../ir/value.ts";
import type { Attention } from "../attention/attention.ts";
import type { Latent } from "../attention/latent.ts";
import { integersOf, scalarOf } from "../../ops/constant.ts";
import { boundOf } from "../../ops/extent.ts";
import type { Linear } from "./linear.ts";
import type { Mlp } from "../mlp/mlp.ts";
import type { Moe } from "../moe/moe.ts";
import { rankOf } from "../../ops/rank.ts";
import { has } from "../../ops/table.ts";

/** A linear of a block with what it projects to. */
export interface Projection extends LinearMark {
  readonly linear: Linear;
}

/**
 * The projections of a block that are understood well enough to put something beside them: where they are packed, the
 * order and the widths of the parts are proven, and no factor lies between product and result.
 */
export function projectionsOf(block: Attention | Mlp | Moe): readonly Projection[] {
  if (block.kind === "moe") return [];
  const found = block.kind === "attention" ? attentionParts(block) : mlpParts(block);
  const rank = rankOf(block.region.input);
  return found.flatMap(({ linear, parts }) => {
    if (parts === null || isScaled(linear)) return [];
    const own = rankOf(linear.input);
    const isFlat = rank !== null && own !== null && own < rank;
    const dtype = linear.dtype ?? block.dtype;
    const hasLora = linear.loras.length > 0;
    return [{ linear, inFeatures: linear.inFeatures, parts, dtype, isFlat, hasLora }];
  });
}

interface Found {
  readonly linear: Linear;
  readonly parts: readonly Part[] | null;
}

/** `alpha · x W` is not what a projection is called by name. */
function isScaled({ node }: Linear): boolean {
  const alpha = node.attributes.get("alpha");
  return alpha?.kind === "float" && alpha.value !== 1;
}

function attentionParts(attention: Attention): readonly Found[] {
  const { anchor, latent } = attention;
  if (latent !== null) return latentParts(attention, latent);
  const operands = [
    ["q_proj", attention.q, anchor.query],
    ["k_proj", attention.k, anchor.key],
    ["v_proj", attention.v, anchor.value],
  ] as const;
  const linears = new Set(operands.map(([, linear]) => linear));
  const found: Found[] = [...linears].map((linear) => {
    const own = operands.filter(([, l]) => l === linear);
    if (own.length === 1) return { linear, parts: whole(linear, own[0]?.[0]) };
    const roles = own.map(([site, , operand]) => ({ site, operand }));
    return { linear, parts: splitParts(linear, roles, attention) ?? packedParts(attention) };
  });
  return [...found, { linear: attention.o, parts: whole(attention.o, "o_proj") }];
}

/** What is projected up from a cache has other steps than the block: nothing stands beside that. */
function latentParts({ q, o }: Attention, { queryDown, down, up, isCached }: Latent): readonly Found[] {
  const named = [
    [queryDown, "q_a_proj"],
    [q, queryDown === null ? "q_proj" : "q_b_proj"],
    [down, "kv_a_proj_with_mqa"],
    [isCached ? null : up, "kv_b_proj"],
    [o, "o_proj"],
  ] as const;
  return named.flatMap(([linear, site]) => {
    // One product of both ways down is neither.
    const isOther = linear === null || (queryDown === down && linear === down);
    return isOther ? [] : [{ linear, parts: whole(linear, site) }];
  });
}

function whole(linear: Linear, site: ProjectionKind | undefined): readonly Part[] | null {
  return site === undefined ? null : [{ site, width: linear.outFeatures }];
}

/** The context, which the output projection reads, is as wide as the queries; keys and values share the rest. */
function packedParts({ anchor, q, o }: Attention): readonly Part[] | null {
  const kv = (q.outFeatures - o.inFeatures) / 2;
  if (anchor.op?.packs !== true || anchor.node.input(anchor.op.key) !== null) return null;
  if (!Number.isInteger(kv) || kv <= 0) return null;
  return [
    { site: "q_proj", width: o.inFeatures },
    { site: "k_proj", width: kv },
    { site: "v_proj", width: kv },
  ];
}

function mlpParts(mlp: Mlp): readonly Found[] {
  const gate = gateOf(mlp);
  const [only] = mlp.inputs;
  const found: Found[] = [{ linear: mlp.down, parts: whole(mlp.down, "down_proj") }];
  if (only === undefined) return found;
  if (mlp.inputs.length > 1 || !mlp.gated) {
    // More than two would be something else than gate and up.
    if (mlp.inputs.length > 2) return found;
    return [
      ...found,
      ...mlp.inputs.map((l) => ({
        linear: l,
        parts: whole(l, l === gate && mlp.gated ? "gate_proj" : "up_proj"),
      })),
    ];
  }
  return [...found, { linear: only, parts: gateUpParts(mlp, only) }];
}

/** The projection that the activation is computed from. */
export function gateOf(mlp: Mlp): Linear | undefined {
  const upstream = new Set<Value>();
  const pending: (Value | null)[] = [...mlp.anchor.inputs];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (at === null || upstream.has(at)) continue;
    upstream.add(at);
    if (!mlp.inputs.some((l) => l.output === at)) pending.push(...(at.producer?.inputs ?? []));
  }
  return mlp.inputs.find((l) => upstream.has(l.output));
}

/** Of two packed halves the one that the activation is computed from is the gate. */
function gateUpParts(mlp: Mlp, packed: Linear): readonly Part[] | null {
  const cuts = cutsOf(packed);
  const reached = cuts === null ? null : cutsAbove(mlp.anchor.inputs, cuts, mlp);
  const [gate, ...more] = reached ?? [];
  if (cuts?.length !== 2 || gate === undefined || more.length > 0) return null;
  return cuts.map((cut) => ({ site: cut === gate ? "gate_proj" : "up_proj", width: cut.width }));
}

/** Packed parts by what each operand is cut from. */
function splitParts(
  packed: Linear,
  roles: readonly { readonly site: ProjectionKind; readonly operand: Value }[],
  attention: Attention,
): readonly Part[] | null {
  const cuts = cutsOf(packed);
  if (cuts?.length !== roles.length) return null;
  const sites = new Map<Cut, ProjectionKind>();
  for (const { site, operand } of roles) {
    const [cut, ...more] = cutsAbove([operand], cuts, attention);
    if (cut === undefined || more.length > 0) return null;
    sites.set(cut, site);
  }
  const parts = cuts.flatMap((cut) => {
    const site = sites.get(cut);
    return site === undefined ? [] : [{ site, width: cut.width }];
  });
  return parts.length === roles.length ? parts : null;
}

/** Some of a packed projection's features, one after the other. */
interface Cut {
  readonly value: Value;
  readonly start: number;
  readonly width: number;
}

/** What a Split or Slices cut a packed projection into: all its features, each once, in order. Null when unproven. */
function cutsOf(packed: Linear): readonly Cut[] | null {
  const cutters = cuttersOf(packed.output);
  const cuts = cutters.flatMap(
    (node) => (node.op === "Split" ? splitCuts(node, packed) : sliceCuts(node, packed)) ?? [],
  );
  cuts.sort((a, b) => a.start - b.start);
  let at = 0;
  for (const { start, width } of cuts) {
    if (start !== at || width <= 0) return null;
    at += width;
  }
  return at === packed.outFeatures && cuts.length > 0 ? cuts : null;
}

/** The Splits and Slices behind a value, over views that keep its last axis. */
function cuttersOf(value: Value): readonly Node[] {
  const found = new Set<Node>();
  const seen = new Set<Value>([value]);
  const pending = [value];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    for (const node of at.users) {
      if (has(node, "cut")) found.add(node);
      const next = node.output(0);
      if (!has(node, "view") || node.op === "Transpose") continue;
      if (next === null || seen.has(next)) continue;
      seen.add(next);
      pending.push(next);
    }
  }
  return [...found];
}

function splitCuts(node: Node, { outFeatures }: Linear): readonly Cut[] | null {
  const axis = node.int("axis") ?? 0;
  const sizes = node.ints("split") ?? integersOf(node.input(1));
  const equal = outFeatures / node.outputs.length;
  const widths = sizes ?? node.outputs.map(() => equal);
  // Along another axis the sizes would add up to something else, unless rows or heads happen to be as many.
  const rank = rankOf(node.input(0));
  const isLast = axis === -1 || (rank === null ? axis > 0 : axis === rank - 1);
  if (
    !isLast ||
    widths.reduce((a, b) => a + b, 0) !== outFeatures ||
    (!Number.isInteger(equal) && sizes === null)
  )
    return null;
  let start = 0;
  return node.outputs.map((value, i) => {
    const width = widths[i] ?? 0;
    const cut = { value, start, width };
    start += width;
    return cut;
  });
}

function sliceCuts(node: Node, { output, outFeatures }: Linear): readonly Cut[] | null {
  const value = node.output(0);
  const of = { value: output, width: outFeatures };
  const [start, end] = [boundOf(node.input(1), of), boundOf(node.input(2), of)];
  const [axis, step] = [scalarOf(node.input(3)), scalarOf(node.input(4))];
  const rank = rankOf(node.input(0));
  const isLast = axis !== null && (axis === -1 || (axis > 0 && (rank === null || axis === rank - 1)));
  if (value === null || !isLast || start === null || end === null || (step ?? 1) !== 1) return null;
  // An open end is written as a number that no axis reaches.
  return [{ value, start, width: Math.min(end, outFeatures) - start }];
}

/** The cuts that some values of a block are computed from, stopping at each. */
function cutsAbove(
  values: readonly (Value | null)[],
  cuts: readonly Cut[],
  { region }: Attention | Mlp,
): readonly Cut[] {
  const byValue = new Map(cuts.map((cut) => [cut.value, cut]));
  const inside = new Set(region.nodes);
  const found = new Set<Cut>();
  const seen = new Set<Value>();
  const pending = [...values];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (at === null || seen.has(at)) continue;
    seen.add(at);
    const cut = byValue.get(at);
    const node = at.producer;
    if (cut !== undefined) found.add(cut);
    else if (node !== null && inside.has(node) && !has(node, "shape")) pending.push(...node.inputs);
  }
  return [...found];
}
