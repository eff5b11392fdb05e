import type { Model } from "../../compiler/ir/model.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { roleOf, type Role } from "../../compiler/ops/ports/roles.ts";
import { firstSizes, isState, logitsOf, portOf, type Typed } from "../_ports.ts";

/** An input that a step is told of its lengths, its positions' logits, or its branch. */
export type Counted = Extract<
  Role,
  "total" | "pastLength" | "lastIndex" | "usesCache" | "logitCount" | "logitRows"
>;

/** A cache that nothing is in: keys and values of no tokens, or the zeros that a convolution begins with. */
export interface EmptyCache {
  readonly value: Value;
  readonly port: Typed;
  /** Null for rows; null as a whole where a size is open. */
  readonly sizes: readonly (number | null)[] | null;
  /** The axis of tokens, of which there are none; null for a state. */
  readonly places: number | null;
  /** Tokens that the graph's own cache has room for; null where it grows. */
  readonly room: number | null;
}

/** What the inputs and outputs of a step are to whole sequences. */
export interface SequencePorts {
  readonly tokens: Typed;
  /** Whether tokens of all rows come in one line. */
  readonly isFlat: boolean;
  readonly masks: readonly Typed[];
  readonly positions: readonly Typed[];
  readonly caches: readonly EmptyCache[];
  /** What is said of a paged cache, and of rows among flat tokens: nothing reads it in the end. */
  readonly paged: readonly Typed[];
  readonly counted: readonly { readonly port: Typed; readonly role: Counted }[];
  readonly logits: Typed;
}

const COUNTED: ReadonlySet<Role> = new Set<Role>([
  ...(["total", "pastLength", "lastIndex", "usesCache", "logitCount", "logitRows"] as const),
]);
const PAGED: ReadonlySet<Role> = new Set<Role>(["pages", "blockTable", "slots", "rowStarts", "bounds"]);

/**
 * What whole sequences make of a step's inputs and outputs, or why they cannot.
 *
 * @param widths of caches, by symbol, where their types leave them open
 */
export function sequencePorts(
  { graph }: Model,
  widths: ReadonlyMap<string, number>,
): SequencePorts | { readonly why: string } {
  const ports = graph.inputs.map(portOf);
  const byRole = (role: Role): readonly Typed[] => ports.filter((port) => roleOf(port) === role);
  const [tokens, ...more] = byRole("tokens");
  if (tokens === undefined || more.length > 0) return { why: "no input of token ids, or several" };
  const isFlat = tokens.dims.length === 1;
  const strange = ports.find((port) => obstacle(port, isFlat) !== null);
  if (strange !== undefined) return { why: obstacle(strange, isFlat) ?? "" };
  const logits = logitsOf(graph.outputs.map(portOf));
  if (logits === null) return { why: "no output is its logits" };
  if (logits.dims.length !== (isFlat ? 2 : 3) || (!isFlat && logits.dims[1] === 1))
    return { why: `the output "${logits.name}" has logits of one position alone` };
  return {
    ...{ tokens, isFlat, logits },
    masks: byRole("mask"),
    positions: byRole("positions"),
    caches: byRole("past").map((port) => emptyCache(port, widths)),
    paged: ports.filter((port) => PAGED.has(roleOf(port))),
    counted: ports.flatMap((port) => {
      const role = roleOf(port);
      return isCounted(role) ? [{ port, role }] : [];
    }),
  };
}

function isCounted(role: Role): role is Counted {
  return COUNTED.has(role);
}

function emptyCache(port: Typed, widths: ReadonlyMap<string, number>): EmptyCache {
  const { value, name, dims } = port;
  const sizes = firstSizes(dims, widths);
  if (isState(name))
    return { ...{ value, port, sizes }, places: dims.length === 3 ? null : dims.length - 2, room: null };
  const places = dims.length - 2;
  const room = dims[places];
  return {
    ...{ value, port, places },
    sizes: sizes?.with(places, 0) ?? null,
    room: typeof room === "number" && room > 0 ? room : null,
  };
}

/** Why an input has no place in a graph of whole sequences; null for one that has. */
function obstacle(port: Typed, isFlat: boolean): string | null {
  const { name, dims, dtype, value } = port;
  const role = roleOf(port);
  const at = `the input "${name}"`;
  if (role === "other") return value.constant === undefined ? `${at} is none of a decoder's` : null;
  if (role === "tokens" && dims.length !== 2 && !isFlat) return `${at} has rank ${dims.length}`;
  if (role === "positions" && dims.length !== (isFlat ? 1 : 2)) return `${at} has rank ${dims.length}`;
  if (role === "mask" && dims.length !== 2) return `${at} has rank ${dims.length}, not [batch, tokens]`;
  if (role === "past" && dtype === null) return `${at} is no tensor`;
  return null;
}
