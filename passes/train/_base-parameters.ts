import { before, Builder } from "../../compiler/ir/builder.ts";

import { madeBy } from "../../compiler/ir/entity.ts";
import type { Model } from "../../compiler/ir/model.ts";
import type { Node } from "../../compiler/ir/node.ts";
import { dropIfUnread } from "../../compiler/ir/rewrite.ts";
import type { Rewriter } from "../../compiler/ir/rewriter.ts";
import { Tensor } from "../../compiler/ir/tensor.ts";
import { tensorType } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import type { ParameterPlace } from "../../compiler/recognize/model/parameters.ts";
import { convert } from "../../compiler/weights/convert.ts";
import { addParameter } from "../_parameters.ts";
import { baseBytes } from "../adapt/_overridden.ts";
import { shifted } from "../adapt/_unpacked.ts";
import { freshPieces, type Fresh } from "./_fresh-weights.ts";

/** Where a trained weight is read, under its name. */
export interface Reading {
  readonly name: string;
  readonly place: ParameterPlace;
}

/** Makes weights of the base parameters, as Hugging Face has them: `[out, in]` of a projection, each by itself. */
export class BaseParameters {
  readonly #model: Model;
  readonly #rw: Rewriter;
  readonly #b: Builder;
  readonly #fresh: Fresh | null;
  /** By name and type. */
  readonly #read = new Map<string, Value>();
  /** Elements of all. */
  elements = 0;

  /** @param fresh how they begin where that is not with the base's numbers */
  constructor(model: Model, rw: Rewriter, first: Node, fresh: Fresh | null) {
    this.#model = model;
    this.#rw = rw;
    this.#fresh = fresh;
    this.#b = new Builder(rw, before(first));
  }

  /** Has one input of a node read parameters: of a packed product, those of its parts that are trained. */
  put(readings: readonly Reading[]): void {
    const [first] = readings;
    if (first === undefined) return;
    const { reader, index, isInFirst } = first.place;
    const value = first.place.packed === null ? this.#of(first) : this.#packed(readings, first.place);
    const old = reader.input(index);
    const axes = first.place.shape.map((_, i) => i);
    const turned = [...axes.slice(0, -2), ...axes.slice(-2).reverse()];
    const isTurned = isInFirst && axes.length > 1;
    const read = isTurned
      ? this.#b.transpose(value, turned, `${value.name ?? first.name}.transposed`)
      : value;
    this.#rw.setInput(reader, index, read);
    dropIfUnread(this.#rw, [old]);
  }

  /** A parameter in the reader's type, with what the exporter has added to it. */
  #of({ name, place }: Reading): Value {
    const { dtype, offset = 0, shape } = place;
    const key = `${name} ${dtype}`;
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    const initial = new Tensor("float", shape, {
      kind: "deferred",
      file: "adapters",
      produce: () => (this.#fresh === null ? firstBytes(place) : freshPieces({ name, shape }, this.#fresh)),
    });
    this.elements += initial.size;
    this.#freeName(name);
    const loc = madeBy(this.#rw.pass ?? "", [place.reader.loc]);
    const value = addParameter(this.#model, this.#rw, { name, loc, initial, dtype });
    const read =
      offset === 0
        ? value
        : this.#b.op("Add", [value, this.#b.constant(dtype, [], [offset], `${name}.offset`)], `${name}.sum`);
    this.#read.set(key, read);
    return read;
  }

  /** The parts one under another; those that are not trained stay the base's. */
  #packed(readings: readonly Reading[], { packed, dtype, reader }: ParameterPlace): Value {
    const parts = readings.toSorted((a, b) => startOf(a) - startOf(b));
    const pieces: Value[] = [];
    let at = 0;
    const frozenTo = (end: number, { place }: Reading): void => {
      if (end > at) pieces.push(this.#frozen(place, at, end));
      at = end;
    };
    for (const part of parts) {
      frozenTo(startOf(part), part);
      pieces.push(this.#of(part));
      at += part.place.packed?.width ?? 0;
    }
    const [last] = parts;
    if (last !== undefined) frozenTo(packed?.of ?? at, last);
    return this.#b.concat(pieces, 0, `${reader.name ?? "packed"}.${dtype}.parts`);
  }

  /** Rows of a packed weight that stay as they are. */
  #frozen(place: ParameterPlace, start: number, end: number): Value {
    const { dtype, shape, packed } = place;
    const rows = { ...place, packed: packed && { ...packed, start, width: end - start } };
    const tensor = new Tensor(dtype, [end - start, ...shape.slice(1)], {
      kind: "deferred",
      file: "weights",
      produce: () => baseBytes(rows),
    });
    const name = `${place.weight.root.name ?? "packed"}.rows_${start}`;
    const value = this.#rw.value(
      madeBy(this.#rw.pass ?? "", []),
      name,
      tensorType(dtype, tensor.shape),
      tensor,
    );
    return this.#rw.addInitializer(this.#model.graph, value);
  }

  /** An input's name is what callers know: what bears it already gives way. */
  #freeName(name: string): void {
    for (const value of this.#model.graph.initializers)
      if (value.name === name) this.#rw.setName(value, `${name}.base`);
  }
}

function startOf({ place: { packed } }: Reading): number {
  return packed?.start ?? 0;
}

/** What a parameter is before it is trained, in float32 and without what the exporter has added. */
function firstBytes(place: ParameterPlace): Uint8Array {
  const { dtype, offset = 0 } = place;
  const bytes = baseBytes(place);
  return offset === 0 ? convert(bytes, dtype, "float") : shifted(bytes, dtype, "float", -offset);
}
