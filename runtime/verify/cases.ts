import { axisOfRole, axisOfSymbol, caseText, type Case } from "../session/dims.ts";
import { roleOf } from "../session/roles.ts";
import type { Port } from "../session/tensor.ts";

/** A case that was not run, and why. */
export interface Skipped {
  readonly case: Case;
  readonly reason: string;
}

/** Cases that a decoder meets in use: a prompt, a long prompt, several rows, and steps that go on from a cache. */
export const defaultCases: readonly Case[] = [
  { batch: 1, sequence: 1, past: 0 },
  { batch: 1, sequence: 5, past: 0 },
  { batch: 1, sequence: 16, past: 0 },
  { batch: 2, sequence: 5, past: 0 },
  { batch: 2, sequence: 16, past: 0 },
  { batch: 1, sequence: 1, past: 7 },
  { batch: 1, sequence: 5, past: 7 },
  { batch: 2, sequence: 1, past: 7 },
  { batch: 2, sequence: 16, past: 7 },
];

/** The number of rows that a graph's inputs fix; undefined where they take any. */
export function fixedRows(inputs: readonly Port[]): number | undefined {
  return pinsOf(inputs).batch;
}

/**
 * The cases that a graph's inputs can take. One that asks for another size than a static dim has is skipped; the
 * graph's own size is run in its place.
 *
 * @param rows what another graph that is run on the same inputs fixes
 */
export function fitCases(
  inputs: readonly Port[],
  wanted: readonly Case[],
  rows?: number,
): { cases: Case[]; skipped: Skipped[] } {
  const cases = new Map<string, Case>();
  const skipped: Skipped[] = [];
  const pins = { ...(rows === undefined ? {} : { batch: rows }), ...pinsOf(inputs) };
  const hasCache = inputs.some((port) => ["past", "pages"].includes(roleOf(port)));
  for (const asked of wanted) {
    const { fitted, reason } = fit(asked, pins, hasCache);
    if (reason !== null) skipped.push({ case: asked, reason });
    if (fitted !== null) cases.set(caseText(fitted), fitted);
  }
  return { cases: [...cases.values()], skipped };
}

/** Sizes that static dims fix. */
interface Pins {
  batch?: number;
  sequence?: number;
  past?: number;
  total?: number;
  /** tokens that a cache of fixed size has room for, past and new ones together */
  room?: number;
}

function pinsOf(inputs: readonly Port[]): Pins {
  const pins: Pins = {};
  const isBuffer = inputs.some(saysPlace);
  for (const port of inputs) {
    const role = roleOf(port);
    if (isBuffer && role === "past") {
      const room = port.dims.find((_, axis) => axisOfRole(role, axis, port.dims.length) === "past");
      if (typeof room === "number") pins.room ??= room;
      continue;
    }
    // Only these fix anything: positions of [1, S] serve every row, as a mask of [1, 1, S, T] does.
    if (role !== "tokens" && role !== "past" && !(role === "mask" && port.dims.length === 2)) continue;
    // A cache laid out in another order says so by the name of its past.
    if (role === "past" && port.dims.some((dim) => typeof dim === "string" && axisOfSymbol(dim) === "past"))
      continue;
    for (const [axis, dim] of port.dims.entries()) {
      const counts = axisOfRole(role, axis, port.dims.length);
      if (typeof dim === "number" && counts !== undefined) pins[counts] ??= dim;
    }
  }
  return pins;
}

/**
 * Whether an input says where new tokens are written. The cache is then a buffer, whose length says nothing of the past
 * and how many tokens fit.
 */
function saysPlace(port: Port): boolean {
  const role = roleOf(port);
  if (role === "pastLength") return port.name.includes("write_ind");
  return role === "positions" && /cache_?position/i.test(port.name);
}

/** The sequence that a fixed total leaves beside a fixed past; without a cache all of it. */
function sequenceLeft({ past, total }: Pins, hasCache: boolean): number | undefined {
  const fixed = hasCache ? past : 0;
  const left = total === undefined || fixed === undefined ? 0 : total - fixed;
  return left > 0 ? left : undefined;
}

function fit(asked: Case, pins: Pins, hasCache: boolean): { fitted: Case | null; reason: string | null } {
  const batch = pins.batch ?? asked.batch;
  const sequence = pins.sequence ?? sequenceLeft(pins, hasCache) ?? asked.sequence;
  const rest = pins.total === undefined ? undefined : pins.total - sequence;
  const past = hasCache ? (pins.past ?? rest ?? asked.past) : 0;
  if (past < 0 || (rest !== undefined && rest !== past)) {
    return {
      fitted: null,
      reason: `the graph takes ${pins.total ?? 0} tokens in all, past and sequence together`,
    };
  }
  if (pins.room !== undefined && past + sequence > pins.room)
    return { fitted: null, reason: `the cache has room for ${pins.room} tokens` };
  const fitted = { batch, sequence, past };
  if (batch !== asked.batch) return { fitted, reason: `the graph takes a batch of ${batch} only` };
  if (sequence !== asked.sequence)
    return { fitted, reason: `the graph takes a sequence of ${sequence} only` };
  if (past === asked.past) return { fitted, reason: null };
  // Without a cache the same sizes with an empty past are a case of their own: nothing to run in its place.
  return hasCache
    ? { fitted, reason: `the graph takes a past of ${past} only` }
    : { fitted: null, reason: "the graph has no cache" };
}
