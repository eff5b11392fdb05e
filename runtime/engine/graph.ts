import { inputError } from "../../compiler/diagnostics/error.ts";
import type { AdapterInterface } from "../adapters/interface.ts";
import { pairCache, type CacheEntry } from "../session/cache.ts";
import { axisOfRole, withSizes } from "../session/dims.ts";
import { vocabularyOf } from "../session/feeds.ts";
import { roleOf, type Role } from "../session/roles.ts";
import type { Session } from "../session/session.ts";
import { isSharedCache } from "../session/shared-caches.ts";
import { isFloating, type Port } from "../session/tensor.ts";
import type { Traits } from "./traits.ts";
import { windowFor, type CacheWindow } from "./window.ts";

/** How a cache is kept between two runs. */
export type CacheKind =
  /** longer by the new tokens after each run */
  | "growing"
  /** of a fixed number of places, written in place */
  | "buffer"
  /** of a fixed number of places, from which attention evicts what its window has left */
  | "window"
  /** of one size whatever was fed, such as the last columns of a convolution */
  | "state"
  /** blocks that all rows share */
  | "pages";

/** A cache of a graph. */
export interface Cache extends CacheEntry {
  readonly kind: CacheKind;
  /** Where it holds a window: how many places that is, and how many it has. */
  readonly window?: CacheWindow;
}

/** A decoder's graph: what its inputs mean, how it keeps what came before, and how rows may share a run. */
export interface DecoderGraph {
  readonly session: Session;
  /** Inputs that are neither caches nor of adapters. */
  readonly inputs: readonly { readonly port: Port; readonly role: Role }[];
  readonly caches: readonly Cache[];
  /** Name of the output. */
  readonly logits: string;
  readonly adapters: AdapterInterface;
  /** Whether tokens of all rows stand one behind the other, without padding. */
  readonly isFlat: boolean;
  /** Where a row stands in a cache that others are longer in: at its front, or at its end behind padding. */
  readonly align: "begin" | "end";
  /** Whether a run takes one row only. */
  readonly isSingle: boolean;
  /** Whether several new tokens may follow what is in the cache, for one row. */
  readonly takesChunks: boolean;
  /** Whether a prompt may have padding behind it: nothing that is kept would hold of it. */
  readonly takesPadding: boolean;
  /** Tokens of a row in one run at most. */
  readonly step: number;
  /** Tokens that a run takes of a row whatever there is of it; null where it takes any number. */
  readonly fixedSequence: number | null;
  /** Places in the caches, or tokens of a graph that takes a fixed number; null where nothing bounds them. */
  readonly room: number | null;
  /** Logits of a token; null where the graph does not say it. */
  readonly vocabulary: number | null;
}

/** What the file of a graph says of it that its inputs and outputs do not. */
export interface GraphFacts {
  readonly adapters: AdapterInterface;
  /** Positions of caches that are past and present in one; null of any other graph. */
  readonly sharedLength: number | null;
  /** @param hasOpenWidth whether a cache does not say how wide it is */
  readonly traits: (hasOpenWidth: boolean) => Traits;
}

/**
 * Finds what a graph is by the names and types of its inputs and outputs, and by what its file says.
 *
 * @throws TfcError GENERATE_UNSUPPORTED when they are not those of a decoder
 */
export function graphOf(session: Session, facts: GraphFacts): DecoderGraph {
  const { inputs, outputs } = session;
  const { adapters } = facts;
  const taken = new Set([...adapters.ports.map(({ port }) => port.name), adapters.ids?.name]);
  const room = roomOf(inputs, facts.sharedLength);
  const pairs = pairCache(inputs, outputs);
  const traits = facts.traits(pairs.some(({ past }) => typeof past.dims.at(-1) === "string"));
  const caches = pairs.map(({ past, present }): Cache => {
    const [sized = past] = withSizes([past], traits.widths);
    const window = traits.windows.get(past.name);
    if (window === undefined) return { past: sized, present, kind: kindOf(sized, room) };
    return { past: sized, present, kind: "window", window: windowFor(window, session.provider) };
  });
  const cached = new Set(caches.map(({ past }) => past.name));
  const own = inputs
    .filter(({ name }) => !taken.has(name) && !cached.has(name))
    .map((port) => ({ port, role: roleOf(port) }));
  for (const { port, role } of own) checkInput(port, role);
  const tokens = portOf(own, "tokens");
  if (tokens === undefined) throw unsupported("it takes no token ids", 'an input named "input_ids"', "none");
  const roles = new Set(own.filter(({ port }) => !traits.unread.has(port.name)).map(({ role }) => role));
  const isFlat = tokens.dims.length === 1;
  if (isFlat && caches.length > 0 && !roles.has("blockTable"))
    throw unsupported("its tokens are flat, and nothing says where rows lie", "a block table", "none");
  const fixed = fixedSequenceOf(tokens, caches);
  const align = traits.byLengths || roles.has("pastLength") ? "begin" : "end";
  // Padding in front of a row needs a mask that hides it, and positions that do not count it; behind it, a graph that
  // hides what comes later, of which one without caches and mask says nothing.
  const fits = align === "begin" || (roles.has("mask") && (roles.has("positions") || caches.length === 0));
  const hasState = caches.some(({ kind }) => kind === "state");
  // Padding would push tokens out of a window.
  const hasWindow = caches.some(({ kind }) => kind === "window");
  const isPaged = caches.some(({ kind }) => kind === "pages");
  return {
    session,
    inputs: own,
    caches,
    logits: logitsOf(outputs, caches),
    adapters,
    isFlat,
    align,
    isSingle: isFlat ? traits.mixesRows || !isPaged : hasOneRow(inputs) || traits.mixesRows || !fits,
    takesChunks: caches.length > 0 && !traits.mixesRows && !hasState,
    takesPadding: !hasState && !hasWindow,
    step: fixed === 1 ? 1 : Infinity,
    fixedSequence: fixed,
    room: room ?? (caches.length === 0 ? fixed : null),
    vocabulary: vocabularyOf(session),
  };
}

/** The input of a role. */
export function portOf(inputs: DecoderGraph["inputs"], role: Role): Port | undefined {
  return inputs.find((input) => input.role === role)?.port;
}

/** GENERATE_UNSUPPORTED. @param fixed what has one size where it should have any */
export function unsupported(
  what: string,
  wanted: string,
  found: string,
  name?: string,
  fixed?: "batch" | "tokens",
): Error {
  const said = { what, wanted, found, ...(fixed === undefined ? {} : { fixed }) };
  return inputError("GENERATE_UNSUPPORTED", name === undefined ? {} : { name }, said);
}

/** Places of caches that are written in place: as the metadata say, or as the inputs of a graph that writes by indices. */
function roomOf(inputs: readonly Port[], shared: number | null): number | null {
  if (shared !== null) return shared;
  if (!inputs.some((port) => roleOf(port) === "pastLength")) return null;
  const [length] = inputs.filter((port) => roleOf(port) === "past").map(({ dims }) => dims.at(-2));
  return typeof length === "number" ? length : null;
}

function kindOf(past: Port, room: number | null): CacheKind {
  const width = past.dims.at(-1);
  // Some exporters write a size as a symbol of that name.
  if (typeof width === "string" && !/^\d+$/.test(width))
    throw unsupported("its cache is of any width, and attention does not tell", "a number", width, past.name);
  if (roleOf(past) === "pages") return "pages";
  if (/conv|ssm|recurrent|state/i.test(past.name)) return "state";
  const places = past.dims.at(-2);
  if (typeof places === "string") return "growing";
  if (room !== null && (isSharedCache(past, room) || places === room)) return "buffer";
  const found = `${past.name} [${past.dims.join(", ")}]`;
  throw unsupported("its cache has a fixed size", "a cache that begins empty", found, past.name);
}

/** @throws TfcError GENERATE_UNSUPPORTED where a run takes several tokens, no less, beside a cache */
function fixedSequenceOf(tokens: Port, caches: readonly Cache[]): number | null {
  const fixed = tokens.dims.at(-1);
  if (typeof fixed !== "number") return null;
  if (fixed === 1 || caches.length === 0) return fixed;
  const found = `${tokens.name} [${tokens.dims.join(", ")}]`;
  throw unsupported(
    "it takes a fixed number of tokens",
    "any number of them, or one",
    found,
    tokens.name,
    "tokens",
  );
}

function checkInput(port: Port, role: Role): void {
  if (role !== "other" && port.dtype !== null && port.dtype !== "string") return;
  throw unsupported(
    `the input "${port.name}" is not a decoder's`,
    "token ids, mask, positions and cache only",
    `${port.dtype ?? "no tensor"} [${port.dims.join(", ")}]`,
    port.name,
  );
}

/** Whether any input has room for one row alone. @throws TfcError GENERATE_UNSUPPORTED where one has it for more, no less */
function hasOneRow(inputs: readonly Port[]): boolean {
  const fixed = inputs.map((port) => fixedBatch(port)).filter((size) => size !== null);
  return fixed.includes(1);
}

/**
 * The rows that an input has room for; null where it has for any number.
 *
 * @throws TfcError GENERATE_UNSUPPORTED where it takes several, no less: answers begin and end one by one
 */
export function fixedBatch(port: Port): number | null {
  const role = roleOf(port);
  const axis = port.dims.findIndex((_, at) => axisOfRole(role, at, port.dims.length) === "batch");
  const size = port.dims[axis];
  if (typeof size !== "number") return null;
  if (size === 1) return size;
  const found = `${port.name} [${port.dims.join(", ")}]`;
  throw unsupported(
    `its batch is fixed at ${size}`,
    "a batch of any size, or of 1",
    found,
    port.name,
    "batch",
  );
}

function logitsOf(outputs: readonly Port[], caches: readonly Cache[]): string {
  const cached = new Set(caches.map(({ present }) => present));
  const others = outputs.filter((port) => isFloating(port.dtype) && !cached.has(port.name));
  const logits =
    others.find((port) => /logits/i.test(port.name)) ?? (others.length === 1 ? others[0] : undefined);
  if (logits !== undefined) return logits.name;
  const found = others.map((port) => port.name).join(", ") || "none";
  throw unsupported("it has no logits", 'an output named "logits"', found);
}
