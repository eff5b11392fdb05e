import { describedIn } from "../../../compiler/adapters/description.ts";
import { ADAPTER_KEY } from "../../../compiler/adapters/kind.ts";
import type { DType } from "../../../compiler/ir/dtype.ts";
import type { Model } from "../../../compiler/ir/model.ts";
import type { Value } from "../../../compiler/ir/value.ts";
import { slotOf } from "../../../compiler/ops/ports/cache-slots.ts";
import { roleOf, type Role } from "../../../compiler/ops/ports/roles.ts";
import { firstSizes, isState, logitsOf, portOf, type Typed } from "../../_ports.ts";

/** An input that a step computes of its own: lengths, and which logits are wanted. */
export type Derived = Extract<
  Role,
  "total" | "pastLength" | "lastIndex" | "usesCache" | "logitCount" | "logitRows"
>;

/** A cache as it goes from step to step. */
export interface LoopedCache {
  readonly past: Value;
  readonly present: Value;
  readonly dtype: DType;
  /** Sizes of the first past, null for rows. */
  readonly sizes: readonly (number | null)[];
}

/** What the inputs and outputs of a step are to a loop. */
export interface StepPorts {
  readonly tokens: Value;
  readonly mask: Value | null;
  readonly positions: Value | null;
  readonly caches: readonly LoopedCache[];
  readonly derived: readonly { readonly value: Value; readonly role: Derived }[];
  readonly logits: Value;
  /** Tokens that buffers hold; null where caches grow. */
  readonly room: number | null;
  /** Logits of a token; null where their type does not say it. */
  readonly vocabulary: number | null;
}

/**
 * What a loop makes of a step's inputs and outputs, or why it cannot.
 *
 * @param widths of caches, by symbol, where their types leave them open
 */
export function stepPorts(
  model: Model,
  widths: ReadonlyMap<string, number>,
): StepPorts | { readonly why: string } {
  const isAdapters = adapterInputs(model);
  const typed = model.graph.inputs.flatMap((value) => {
    const isFed = value.constant === undefined || logitRoles.has(roleOf(portOf(value)));
    return isFed && !isAdapters(value.name ?? "") ? [portOf(value)] : [];
  });
  const byRole = (role: Role): readonly Typed[] => typed.filter((port) => roleOf(port) === role);
  const strange =
    typed.find((port) => PAGED.includes(roleOf(port))) ?? typed.find((port) => obstacle(port) !== null);
  if (strange !== undefined) return { why: obstacle(strange) ?? "" };
  const [tokens, ...more] = byRole("tokens");
  if (tokens === undefined || more.length > 0) return { why: "no input of token ids, or several" };
  const past = byRole("past");
  if (past.length === 0) return { why: "it keeps no keys and values from step to step" };
  const looped = cachesOf(model, past, widths);
  if ("why" in looped) return looped;
  const cached = new Set(looped.caches.map(({ present }) => present));
  const logits = logitsOf(model.graph.outputs.filter((value) => !cached.has(value)).map(portOf));
  if (logits === null) return { why: "no output is its logits" };
  const vocabulary = logits.dims.at(-1);
  const derived = typed.flatMap((port) => {
    const role = roleOf(port);
    return isDerived(role) ? [{ value: port.value, role }] : [];
  });
  return {
    tokens: tokens.value,
    mask: byRole("mask")[0]?.value ?? null,
    positions: byRole("positions")[0]?.value ?? null,
    ...looped,
    derived,
    logits: logits.value,
    vocabulary: typeof vocabulary === "number" ? vocabulary : null,
  };
}

const logitRoles: ReadonlySet<Role> = new Set<Role>(["logitCount", "logitRows"]);

function isDerived(role: Role): role is Derived {
  return logitRoles.has(role) || ["total", "pastLength", "lastIndex", "usesCache"].includes(role);
}

/** Whether an input is an adapter's, the same in all steps. */
function adapterInputs({ meta, loc }: Model): (name: string) => boolean {
  const described = describedIn(meta, ADAPTER_KEY, loc.file);
  const sites = (described?.parts ?? []).flatMap((part) => part.sites);
  return (name) =>
    sites.some((site) => name.startsWith(`${site}.`)) ||
    (described?.residence === "bank" && name === "adapter_ids");
}

const PAGED: readonly Role[] = ["pages", "blockTable", "slots", "rowStarts"];

/** Why an input has no place in a loop; null for one that has. */
function obstacle(port: Typed): string | null {
  const { name, dims } = port;
  const role = roleOf(port);
  const at = `the input "${name}"`;
  if (PAGED.includes(role)) return `its cache is paged: ${at}`;
  if (role === "other") return `${at} is none of a decoder's`;
  if (role === "tokens" && dims.length !== 2) return `${at} has tokens of all rows in one line`;
  if (role === "tokens" && typeof dims[1] === "number")
    return `${at} takes a fixed number of tokens, ${dims[1]}`;
  if ((role === "mask" || role === "positions") && dims.length !== 2)
    return `${at} has rank ${dims.length}, not [batch, tokens]`;
  return null;
}

function cachesOf(
  { graph }: Model,
  past: readonly Typed[],
  widths: ReadonlyMap<string, number>,
): Pick<StepPorts, "caches" | "room"> | { readonly why: string } {
  const presents = new Map<string, Value[]>();
  for (const value of graph.outputs) {
    const slot = slotOf(value.name ?? "");
    if (slot !== null) presents.set(slot, [...(presents.get(slot) ?? []), value]);
  }
  const caches: LoopedCache[] = [];
  const rooms = new Set<number | null>();
  for (const { value, name, dtype, dims } of past) {
    const [present, ...more] = presents.get(slotOf(name) ?? "") ?? [];
    if (present === undefined || more.length > 0 || dtype === null)
      return { why: `the cache "${name}" has no output of its layer and part, or several` };
    if (isState(name)) return { why: `the state "${name}" holds no keys or values` };
    const sizes = firstSizes(dims, widths);
    if (sizes === null) return { why: `nothing tells how wide the cache "${name}" is` };
    const held = dims.at(-2);
    rooms.add(typeof held === "number" ? held : null);
    caches.push({ past: value, present, dtype, sizes });
  }
  if (rooms.size !== 1) return { why: "its caches hold different numbers of tokens" };
  return { caches, room: [...rooms][0] ?? null };
}
