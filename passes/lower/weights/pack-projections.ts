import { placeOf } from "../../../compiler/diagnostics/diagnostic.ts";
import type { Sink } from "../../../compiler/diagnostics/sink.ts";
import type { Graph } from "../../../compiler/ir/graph.ts";
import type { Node } from "../../../compiler/ir/node.ts";
import { sortNodes } from "../../../compiler/ir/sort.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { given } from "../../../compiler/pass/options.ts";
import type { Pass } from "../../../compiler/pass/pass.ts";
import type { Attention } from "../../../compiler/recognize/attention/attention.ts";
import { blocks, type BlockVisitor } from "../../../compiler/recognize/blocks.ts";
import type { Linear } from "../../../compiler/recognize/linear/linear.ts";
import { gateOf } from "../../../compiler/recognize/linear/projections.ts";
import type { Weight } from "../../../compiler/recognize/linear/weight.ts";
import type { Mlp } from "../../../compiler/recognize/mlp/mlp.ts";
import { siteName } from "../../../compiler/sites/names.ts";
import { selects, type Selector } from "../../../compiler/sites/selector.ts";
import { packedKinds, type PackedKind } from "../../../compiler/sites/site.ts";
import { packable } from "./_packable.ts";
import { PackedLinears, type Packing } from "./_packed-linears.ts";

export interface PackOptions {
  /** Sites that are replaced afterwards, each by itself. */
  readonly except: readonly Selector[];
}

/**
 * Writes the projections of q, k and v, and those of gate and up, as one product each.
 *
 * Before: `q = MatMul (x, Wq)`, `k = MatMul (x, Wk)`, `v = MatMul (x, Wv)`.
 * After: `p = MatMul (x, W)`, `q, k, v = Split (p)`, W being the weights beside each other, which are put together when
 * the output is written. An op that takes q, k and v in one operand is given `p`.
 *
 * Leaves alone, with a warning that says why, weights that something else reads, that a caller may give or that the graph
 * computes on, and products that are not written alike.
 */
export const packProjections: Pass<PackOptions, BlockVisitor> = {
  name: "pack-projections",
  summary: "write q, k and v, and gate and up, as one product each",
  options: {
    except: given<readonly Selector[]>({ help: "sites that are replaced afterwards", default: [] }),
  },
  stats: ["packed", "kept"],
  requires: [],
  walk: blocks,
  visitor: ({ model, options, rewriter, sink, count }) => {
    const found: Candidate[] = [];
    let already = 0;
    const see = (kind: PackedKind, layer: number, block: Attention | Mlp): void => {
      const linears = block.kind === "attention" ? ofAttention(block) : ofMlp(block);
      const sites = block.kind === "mlp" ? [...packedKinds[kind], "mlp" as const] : packedKinds[kind];
      const isReplaced = sites.some((site) =>
        options.except.some((one) => selects(one, { layer, copy: 0, site })),
      );
      if (linears === "packed") already++;
      else if (linears !== null && !isReplaced)
        found.push({ name: siteName({ layer, copy: 0, site: kind }), linears, block });
    };
    return {
      attention: (block, { index }) => {
        see("qkv_proj", index, block);
      },
      mlp: (block, { index }) => {
        see("gate_up_proj", index, block);
      },
      model: {
        exit: () => {
          const { packings, kept } = plan(found);
          const writer = new PackedLinears(model, rewriter);
          const graphs = new Set<Graph>();
          for (const packing of packings) {
            const graph = packing.linears[0]?.node.graph ?? null;
            if (graph !== null) graphs.add(graph);
            writer.write(packing);
          }
          // Of linears that become one, the first may not have been the one in front.
          for (const graph of graphs) sortNodes(rewriter, graph);
          count("packed", packings.length);
          count("kept", kept.length);
          reportKept(kept, sink);
          if (packings.length === 0 && kept.length === 0)
            sink.report("PACK_NOTHING", { file: model.loc.file, pass: packProjections.name }, { already });
        },
      },
    };
  },
};

/** Projections of a block that might be one. */
interface Candidate {
  readonly name: string;
  readonly linears: readonly Linear[];
  readonly block: Attention | Mlp;
}

/** What stays as it is, and why. */
interface Kept {
  readonly node: Node;
  readonly why: string;
}

/** q, k and v; null of latent attention, where keys and values come from elsewhere. */
function ofAttention({ q, k, v, latent }: Attention): readonly Linear[] | "packed" | null {
  if (latent !== null) return null;
  const linears = new Set([q, k, v]);
  return linears.size < 3 ? "packed" : [...linears];
}

/** gate and up; null where there is no gate. */
function ofMlp(mlp: Mlp): readonly Linear[] | "packed" | null {
  if (!mlp.gated) return null;
  if (mlp.inputs.length === 1) return "packed";
  const gate = gateOf(mlp);
  const up = mlp.inputs.find((linear) => linear !== gate);
  return gate === undefined || up === undefined || mlp.inputs.length > 2 ? null : [gate, up];
}

function plan(candidates: readonly Candidate[]): { readonly packings: Packing[]; readonly kept: Kept[] } {
  const [packings, kept]: [Packing[], Kept[]] = [[], []];
  for (const { name, linears, block } of candidates) {
    const found = packable(linears);
    const node = linears[0]?.node;
    if (!("why" in found)) packings.push({ ...found, name, taker: takerOf(block, linears) });
    else if (node !== undefined) kept.push({ node, why: found.why });
  }
  const shared = new Readers(packings);
  const alone = packings.filter((packing) => {
    const reader = shared.otherOf(packing);
    const node = packing.linears[0]?.node;
    if (reader !== null && node !== undefined)
      kept.push({ node, why: `${reader.op} "${reader.name ?? ""}" reads one of their weights, too` });
    return reader === null;
  });
  return { packings: alone, kept };
}

/** Who reads the weights of packings. Those that read the same ones alike become one product of several inputs. */
class Readers {
  readonly #ids = new Map<Value, number>();
  readonly #readers = new Map<string, Set<Node>>();

  constructor(packings: readonly Packing[]) {
    for (const packing of packings) {
      const key = this.#keyOf(packing);
      const known = this.#readers.get(key) ?? new Set<Node>();
      this.#readers.set(key, known);
      for (const { node } of packing.linears) known.add(node);
      for (const { path } of weightsOf(packing)) for (const node of path) known.add(node);
    }
  }

  /** What else reads a weight, or what it is read through: the weight would have to stay beside its copy. */
  otherOf(packing: Packing): Node | null {
    const readers = this.#readers.get(this.#keyOf(packing));
    for (const { root, path } of weightsOf(packing))
      for (const value of [root, ...path.map((node) => node.result)])
        for (const user of value.users) if (readers?.has(user) !== true) return user;
    return null;
  }

  #keyOf(packing: Packing): string {
    const ids = weightsOf(packing).map(({ root }) => {
      const id = this.#ids.get(root) ?? this.#ids.size;
      this.#ids.set(root, id);
      return id;
    });
    return `${packing.operands[0]?.axis ?? ""} ${ids.join()}`;
  }
}

function weightsOf({ operands: [weight] }: Packing): readonly Weight[] {
  return weight?.weights ?? [];
}

/** The op that takes the product whole: the results of the projections go nowhere else. */
function takerOf(block: Attention | Mlp, linears: readonly Linear[]): Packing["taker"] {
  if (block.kind === "mlp" || block.anchor.op?.packsFeatures !== true) return null;
  const { node, op } = block.anchor;
  const indices = [op.query, op.key, op.value];
  const isWhole = linears.every(
    ({ output }, i) =>
      node.input(indices[i] ?? -1) === output &&
      output.uses.size === 1 &&
      block.o.inFeatures === block.q.outFeatures,
  );
  return isWhole ? { node, whole: op.query, others: [op.key, op.value] } : null;
}

/** One message for each reason. */
function reportKept(kept: readonly Kept[], sink: Sink): void {
  for (const why of new Set(kept.map((one) => one.why))) {
    const [first, ...more] = kept.filter((one) => one.why === why);
    if (first === undefined) continue;
    const place = { ...placeOf(first.node), pass: packProjections.name };
    sink.report("PACK_KEPT", place, { count: 1 + more.length, why });
  }
}
