import { isHalf, type HalfType } from "../../../compiler/ir/dtype.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import type { Rewriter } from "../../../compiler/ir/rewriter.ts";
import { asTensor, tensorType } from "../../../compiler/ir/type.ts";
import type { Use, Value } from "../../../compiler/ir/value.ts";
import { FIRST_WITH_DEFAULTS } from "../../../compiler/ops/constant.ts";
import { halfTensor } from "./_tensor.ts";
import type { HalfGraphs } from "./_graphs.ts";

/** A type that inputs and outputs may have. */
export type PortType = HalfType | "float";

interface Types {
  readonly dtype: HalfType;
  readonly ioDtype: PortType;
}

/** Gives a model's float inputs and outputs the type that was asked for, with casts where the model has another. */
export class HalfPorts {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #graphs: HalfGraphs;
  readonly #types: Types;
  /** Outputs of float32 before anything was converted. */
  readonly #outputs: readonly number[];

  constructor(model: Model, rw: Rewriter, graphs: HalfGraphs, types: Types) {
    this.#model = model;
    this.#rw = rw;
    this.#graphs = graphs;
    this.#types = types;
    this.#outputs = model.graph.outputs.flatMap(({ type }, i) =>
      asTensor(type)?.dtype === "float" ? [i] : [],
    );
  }

  inputs(): void {
    const { graph, irVersion } = this.#model;
    // Initializers had to be inputs, which nobody may give: from IR version 4 on they need not be.
    if (irVersion < FIRST_WITH_DEFAULTS) {
      for (const value of [...graph.inputs])
        if (value.constant !== undefined) this.#rw.removeInput(graph, value);
      this.#rw.setIrVersion(this.#model, FIRST_WITH_DEFAULTS);
    }
    for (const value of graph.inputs) if (this.#graphs.slots.isFloat(value)) this.#input(value);
  }

  #input(value: Value): void {
    const { dtype, ioDtype } = this.#types;
    const type = asTensor(value.type);
    if (type === null) return;
    const { name = "input", loc, constant } = value;
    if (isHalf(ioDtype)) {
      if (constant !== undefined)
        this.#rw.setConstant(value, halfTensor(constant, ioDtype, { name, loc, canWait: false }));
      this.#rw.setType(value, tensorType(ioDtype, type.shape));
    }
    if (ioDtype === dtype) {
      this.#graphs.enter(value, "half");
      return;
    }
    this.#graphs.slots.note(value, "float");
    const uses = new Set<Use>([...value.uses].filter(({ kind }) => kind === "input"));
    if (uses.size === 0) return;
    const narrow = this.#graphs.values.cast(value, dtype);
    this.#rw.replaceUses(value, narrow, (use) => uses.has(use));
    this.#graphs.slots.note(narrow, "float");
    this.#graphs.enter(narrow, "half");
  }

  outputs(): void {
    for (const index of this.#outputs) this.#output(index);
  }

  #output(index: number): void {
    const { dtype, ioDtype } = this.#types;
    const { graph } = this.#model;
    const { values } = this.#graphs;
    const value = graph.outputs[index];
    if (value === undefined) return;
    const shape = asTensor(value.type)?.shape;
    const kind = values.kindOf(value);
    // What is handed through as it came in has its type already.
    if (kind === null) return;
    const own = values.as(value, kind === "float" || ioDtype === "float" ? "exact" : "half");
    const has = kind === "float" || ioDtype === "float" ? "float" : dtype;
    const given =
      has === ioDtype ? own : ioDtype === dtype ? values.as(value, "half") : values.cast(own, ioDtype);
    const isThis = (use: Use): boolean => use.kind === "output" && use.graph === graph && use.index === index;
    if (given !== value) this.#rw.replaceUses(value, given, isThis);
    const output = graph.outputs[index];
    if (output !== undefined) this.#rw.setType(output, tensorType(ioDtype, shape));
  }
}
