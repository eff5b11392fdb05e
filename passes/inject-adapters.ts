import { adapterKinds } from "../compiler/adapters/index.ts";
import { initialBytes } from "../compiler/adapters/init.ts";
import { ADAPTER_KEY, type AdapterKind, type Leaf } from "../compiler/adapters/kind.ts";
import { inputError, passError } from "../compiler/diagnostics/error.ts";
import { placeOf } from "../compiler/diagnostics/diagnostic.ts";
import { attribute } from "../compiler/ir/attribute.ts";
import { dtypeNumber, isFloat, type DType } from "../compiler/ir/dtype.ts";
import { madeBy } from "../compiler/ir/entity.ts";
import type { Func, Model } from "../compiler/ir/model.ts";
import type { Node } from "../compiler/ir/node.ts";
import type { Rewriter } from "../compiler/ir/rewriter.ts";
import { siteKinds, siteOf, type Site, type SiteKind } from "../compiler/ir/site.ts";
import { Tensor } from "../compiler/ir/tensor.ts";
import { asTensor, tensorType } from "../compiler/ir/type.ts";
import type { Value } from "../compiler/ir/value.ts";
import { outlined } from "../compiler/pass/invariants.ts";
import { checkOptions, choice, choices, integer } from "../compiler/pass/options.ts";
import type { Pass } from "../compiler/pass/pass.ts";
import { freeName } from "./_module.ts";

interface InjectOptions {
  readonly adapter: string;
  readonly sites: readonly SiteKind[];
  readonly seed: number;
  /** The adapter kind's own options, checked by its schema. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * Puts an adapter beside outlined blocks.
 *
 * Before: `y = tfc.Mlp (x, weights…)`.
 * After: `y' = tfc.Mlp (x, weights…)`, `a = tfc.ScalarlmAdapter (x, leaves…)`, `y = Add (y', a)`; readers of y read
 * the sum, and a graph output keeps its name.
 *
 * Leaves become initializers named as checkpoints name them. Refuses sites that do not compute in floating point.
 */
export const injectAdapters: Pass<InjectOptions> = {
  name: "inject-adapters",
  summary: "put token-parameter attention beside the chosen blocks",
  options: {
    adapter: choice({ help: "adapter kind", default: "scalarlm", of: [...adapterKinds.keys()] }),
    sites: choices({ help: "blocks to adapt", default: siteKinds, of: siteKinds }),
    seed: integer({ help: "seed of the adapters' first weights", default: 0, min: 0, max: 2 ** 32 - 1 }),
    settings: {
      help: "options of the adapter kind",
      default: {},
      placeholder: "json",
      check: (value) => value as Readonly<Record<string, unknown>>,
    },
  },
  stats: ["adapters", "parameters"],
  scopes: ["main", "subgraphs"],
  requires: [outlined],
  ensures: [],
  visitor: ({ model, options, rewriter, count }) => {
    const kind = adapterKinds.get(options.adapter);
    if (kind === undefined) throw new Error(`no adapter kind ${options.adapter}`);
    const settings = checkOptions<object>(kind.options, options.settings, `adapter ${kind.name}`);
    const injector = new Injector(model, rewriter, kind, settings, options.seed);
    const found = new Set<SiteKind>();
    return {
      graph: {
        exit: (graph) => {
          if (graph !== model.graph) return;
          const missing = options.sites.find((site) => !found.has(site));
          if (missing !== undefined)
            throw passError(
              "SITE_EMPTY",
              { file: model.loc.file, pass: "inject-adapters" },
              { site: missing },
            );
          rewriter.setMeta(
            model,
            ADAPTER_KEY,
            JSON.stringify({ kind: kind.name, sites: options.sites, ...settings }),
          );
        },
      },
      node: (node) => {
        const site = siteOf(node);
        if (site === null || !options.sites.includes(site.site)) return;
        found.add(site.site);
        count("adapters");
        count("parameters", injector.inject(site));
      },
    };
  },
};

class Injector {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #kind: AdapterKind;
  readonly #settings: object;
  readonly #seed: number;
  readonly #bodies = new Map<string, Func>();
  readonly #leaves = new Map<string, Value>();

  constructor(model: Model, rw: Rewriter, kind: AdapterKind, settings: object, seed: number) {
    this.#model = model;
    this.#rw = rw;
    this.#kind = kind;
    this.#settings = settings;
    this.#seed = seed;
  }

  /** @returns the number of parameters added */
  inject(site: Site): number {
    const width = { hiddenSize: site.hiddenSize, dtype: this.#dtype(site) };
    const before = this.#leaves.size;
    const leaves = this.#kind.leaves(width, this.#settings);
    const func = this.#body(width);
    const loc = madeBy("inject-adapters", [site.node.loc]);
    const needsCast = site.castsInput && asTensor(site.input.type)?.dtype !== width.dtype;
    const inFront = (node: Node): void => void this.#rw.insertBefore(site.node, node);
    const x = needsCast
      ? this.#cast(site.input, width.dtype, `${site.name}.adapter_input`, inFront)
      : site.input;
    const call = this.#rw.node({
      op: func.name,
      domain: func.domain,
      name: `${site.name}.adapter`,
      inputs: [x, ...leaves.map((leaf) => this.#leaf(site, leaf, width.dtype))],
      outputs: [`${site.name}.adapter`],
      loc,
    });
    this.#rw.setMeta(call, ADAPTER_KEY, this.#kind.name);
    this.#rw.insertAfter(site.node, call);
    const [result] = call.outputs;
    if (result !== undefined) this.#add(site, call, result, width.dtype);
    return this.#leaves.size === before ? 0 : leaves.reduce((n, leaf) => n + sizeOf(leaf), 0);
  }

  /** Adds an adapter's result to the block's, for all who read it. */
  #add(site: Site, call: Node, result: Value, dtype: DType): void {
    let last = call;
    const behind = (node: Node): void => void (last = this.#rw.insertAfter(last, node));
    const to = site.outputDtype;
    const added =
      to === null || to === dtype ? result : this.#cast(result, to, `${site.name}.adapter_output`, behind);
    const name = `${site.name}.adapted`;
    const sum = this.#rw.node({
      op: "Add",
      name,
      inputs: [site.output, added],
      outputs: [name],
      loc: call.loc,
    });
    behind(sum);
    const [adapted] = sum.outputs;
    if (adapted !== undefined) {
      this.#rw.replaceUses(site.output, adapted, (use) => use.kind === "output" || use.node !== sum);
    }
  }

  /** A value in an element type, through a Cast where it may have another one. */
  #cast(value: Value, to: DType, name: string, place: (node: Node) => void): Value {
    const cast = this.#rw.node({
      op: "Cast",
      name,
      inputs: [value],
      outputs: [name],
      attributes: { to: attribute.int(dtypeNumber(to)) },
      loc: madeBy("inject-adapters", [value.loc]),
    });
    place(cast);
    return cast.outputs[0] ?? value;
  }

  #dtype(site: Site): DType {
    const dtype = site.dtype ?? asTensor(site.output.type)?.dtype ?? asTensor(site.input.type)?.dtype;
    if (dtype !== undefined && isFloat(dtype)) return dtype;
    const found = dtype ?? "a type that neither weights nor value_info tell";
    throw inputError("SITE_DTYPE", placeOf(site.node), { site: site.name, dtype: found });
  }

  #body(width: { hiddenSize: number; dtype: DType }): Func {
    const key = JSON.stringify(width);
    const known = this.#bodies.get(key);
    if (known !== undefined) return known;
    const func = this.#kind.body(width, this.#settings, {
      rewriter: this.#rw,
      loc: madeBy("inject-adapters", []),
      name: freeName(this.#model, this.#kind.functionName),
      opset: this.#model.opset,
    });
    this.#rw.addFunction(this.#model, func);
    this.#bodies.set(key, func);
    return func;
  }

  #leaf(site: Site, leaf: Leaf, dtype: DType): Value {
    const name = `${site.name}.${leaf.name}`;
    // The branches of a merged decoder hold each layer twice: both read one set of leaves.
    const known = this.#leaves.get(name);
    if (known !== undefined) return known;
    const size = sizeOf(leaf);
    const produce = (): Uint8Array => initialBytes(leaf.init, dtype, size, this.#seed, name);
    const tensor = new Tensor(dtype, leaf.shape, { kind: "deferred", produce });
    const loc = madeBy("inject-adapters", [site.node.loc]);
    const value = this.#rw.value(loc, name, tensorType(dtype, leaf.shape), tensor);
    // Inner graphs read outer initializers, and only the main graph's are shared by all who load the model.
    this.#leaves.set(name, value);
    return this.#rw.addInitializer(this.#model.graph, value);
  }
}

/** Number of elements. */
function sizeOf(leaf: Leaf): number {
  return leaf.shape.reduce((a, b) => a * b, 1);
}
