import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Model } from "../../compiler/ir/model.ts";
import { typeText, type Dim } from "../../compiler/ir/type.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { axisOfRole, axisOfSymbol } from "../../compiler/ops/ports/axes.ts";
import { slotOf } from "../../compiler/ops/ports/cache-slots.ts";
import { roleOf, type Role } from "../../compiler/ops/ports/roles.ts";
import { logitsOf, portOf, type Typed } from "../_ports.ts";
import { mentions } from "./_row-dims.ts";

/** Where the inputs and outputs of a graph say how many rows they have. */
export interface RowAxes {
  /** The names that they have for that number. */
  readonly symbols: ReadonlySet<string>;
  /** The axis of rows of each input and output of which it is known; some have no name there. */
  readonly axes: ReadonlyMap<Value, number>;
}

/** An input or output whose axes have a meaning; the axis of rows is null where another one lies in its place. */
interface Known {
  readonly port: Typed;
  readonly axis: number | null;
}

/**
 * Finds the axes of rows, and refuses a number of rows that the graph does not take.
 *
 * @throws TfcError BATCH_NO_ROWS, BATCH_FIXED, BATCH_SYMBOL
 */
export function rowAxes(model: Model, rows: number, pass: string): RowAxes {
  const inputs = model.graph.inputs.filter(({ constant }) => constant === undefined).map(portOf);
  const known = inputs.flatMap((port) => knownInput(port) ?? []);
  const place = { file: model.loc.file, pass };
  const flat = inputs.find((port) => roleOf(port) === "tokens" && port.dims.length === 1);
  const found = flat === undefined ? "no token ids, mask or cache with an axis for them" : textOf(flat);
  if (flat !== undefined || !known.some(isFirm)) throw inputError("BATCH_NO_ROWS", place, { found });
  const wrong = known.find((one) => contradicts(one, rows, known));
  if (wrong !== undefined) {
    const { port, axis } = wrong;
    const fixed = Number(port.dims[axis ?? 0]);
    throw inputError("BATCH_FIXED", { ...place, name: port.name }, { rows, fixed, found: textOf(port) });
  }
  const all = [...known, ...knownOutputs(model, known)];
  const symbols = new Set(known.flatMap(({ port, axis }) => nameOf(axis === null ? null : port.dims[axis])));
  for (const { port, axis } of all) {
    const other = axis === null ? -1 : port.dims.findIndex((dim, i) => i !== axis && mentions(dim, symbols));
    if (other < 0) continue;
    const symbol = String(port.dims[other]);
    throw inputError("BATCH_SYMBOL", { ...place, name: port.name }, { symbol, found: textOf(port) });
  }
  return {
    symbols,
    axes: new Map(all.flatMap(({ port, axis }) => (axis === null ? [] : [[port.value, axis] as const]))),
  };
}

/** Inputs that have a row for each; others, such as positions, may have one for all. */
const FIRM: ReadonlySet<Role> = new Set<Role>(["tokens", "past"]);

function isFirm({ port, axis }: Known): boolean {
  const role = roleOf(port);
  return axis !== null && (FIRM.has(role) || (role === "mask" && port.dims.length === 2));
}

/** Whether an input fixes another number of rows. */
function contradicts({ port, axis }: Known, rows: number, all: readonly Known[]): boolean {
  const size = axis === null ? null : port.dims[axis];
  if (typeof size !== "number" || size === rows) return false;
  // What is the same for all rows has one, whatever their number.
  if (size === 1 && !isFirm({ port, axis })) return false;
  // Where the tokens have that number, a cache [rows · heads, past, width] has a multiple of it.
  const isSaid = all.some((one) => roleOf(one.port) === "tokens" && one.port.dims[one.axis ?? 0] === rows);
  return !(isSaid && roleOf(port) === "past" && port.dims.length === 3 && size % rows === 0);
}

function knownInput(port: Typed): Known | null {
  const role = roleOf(port);
  const { dims } = port;
  const axis = role === "logitRows" && dims.length === 2 ? 0 : axisOfRows(role, dims.length);
  if (axis < 0) return null;
  // A cache that is laid out in another order says so by the name of what it has in the place of rows.
  const [name] = nameOf(dims[axis]);
  const counts = role !== "past" || name === undefined ? undefined : axisOfSymbol(name);
  return { port, axis: counts === undefined || counts === "batch" ? axis : null };
}

function axisOfRows(role: Role, rank: number): number {
  const axes = Array.from({ length: rank }, (_, axis) => axisOfRole(role, axis, rank));
  return axes.indexOf("batch");
}

/** Logits, and caches, which are laid out as those of the past. */
function knownOutputs({ graph }: Model, inputs: readonly Known[]): readonly Known[] {
  const outputs = graph.outputs.map(portOf);
  const caches = new Map(
    inputs.flatMap((known) => {
      const slot = roleOf(known.port) === "past" ? slotOf(known.port.name) : null;
      return slot === null ? [] : [[slot, known] as const];
    }),
  );
  const presents = outputs.flatMap((port) => {
    const past = caches.get(slotOf(port.name) ?? "");
    return past?.port.dims.length === port.dims.length ? [{ port, axis: past.axis }] : [];
  });
  const kept = new Set(presents.map(({ port }) => port));
  const logits = logitsOf(outputs.filter((port) => !kept.has(port)));
  return logits?.dims.length === 3 ? [...presents, { port: logits, axis: 0 }] : presents;
}

/** A name alone; what is computed of names is none. */
function nameOf(dim: Dim | undefined): readonly string[] {
  return typeof dim === "string" && /^[\w.]+$/.test(dim) ? [dim] : [];
}

function textOf({ name, value }: Typed): string {
  return `"${name}" ${typeText(value.type)}`;
}
