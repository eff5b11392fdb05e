import { closeSync, readSync } from "node:fs";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { openFile, readBytes } from "../../compiler/weights/open-file.ts";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { AdapterFeeder, type AdapterChoice } from "../adapters/feeder.ts";
import { resolveDims, withSizes, type Case } from "../session/dims.ts";
import { structure } from "../session/feeds.ts";
import { countedInputs, isUnpadded, sharedLength } from "../session/file-facts.ts";
import { roleOf } from "../session/roles.ts";
import type { Session } from "../session/session.ts";
import { asGrowing, ofBuffers } from "../session/shared-caches.ts";
import {
  isElementType,
  tensorFrom,
  zeros,
  type HostTensor,
  type Port,
  type Tensors,
} from "../session/tensor.ts";
import { fixedRows } from "./cases.ts";
import { runGrowing } from "./growing.ts";
import { readNpz } from "./npz.ts";
import { withSessions, type Where } from "./sessions.ts";
import { Tally, type Level, type LevelReport } from "./tally.ts";

/** How to hold a graph against recorded outputs. */
export interface RecordedOptions extends AdapterChoice, Where {
  readonly levels?: readonly Level[];
  /** Absolute or relative; default 1e-4: another program adds up in another order. */
  readonly tolerance?: number;
  readonly symbols?: ReadonlyMap<string, number>;
  readonly progress?: (doing: string) => void;
}

/** Another program adds up in another order: of logits of the order of 10 that leaves this much. */
export const RECORDED_TOLERANCE = 1e-4;

/**
 * Runs a graph on recorded inputs and compares its outputs with those that were recorded with them, by another program
 * as a rule. The file holds tensors by the names of the graph's inputs and outputs; caches that it has not begin empty,
 * masks are ones, positions count up. Outputs at tokens that a recorded mask leaves out are not compared.
 *
 * @param file a safetensors or .npz file with at least the token ids and one output
 * @throws TfcError LOGITS_FILE where the file does not fit the graph; SAFETENSORS_INVALID; as running does
 */
export async function verifyRecorded(
  graph: string,
  file: string,
  options: RecordedOptions = {},
): Promise<readonly LevelReport[]> {
  const reports: LevelReport[] = [];
  const recorded = isArchive(file) ? readNpz(file) : tensorsIn(file);
  for (const level of options.levels ?? (["off", "all"] as const)) {
    options.progress?.(`optimizations ${level}: recorded inputs`);
    await withSessions([graph], level, options, async ([session]) => {
      if (session === undefined) return;
      const { feeds, sizes, wanted } = split(session, recorded, file, options);
      const results = await runGrowing(session, feeds, sizes, sharedLength(session.file), [...wanted.keys()]);
      const tally = new Tally({ tolerance: options.tolerance ?? RECORDED_TOLERANCE, halfUlps: 0 });
      const mask = [...recorded].find(([name]) => name.includes("mask"))?.[1];
      const got = new Map(
        [...wanted].map(([name, want]) => [name, attended(results.get(name), want, mask, sizes)]),
      );
      tally.add(sizes, wanted, got);
      reports.push(tally.report(level));
    });
  }
  return reports;
}

interface Split {
  readonly feeds: Tensors;
  readonly sizes: Case;
  readonly wanted: Tensors;
}

function split(session: Session, recorded: Tensors, file: string, options: RecordedOptions): Split {
  const feeder = new AdapterFeeder(session, options);
  const room = sharedLength(session.file);
  const inputs = withSizes(asGrowing(feeder.ownInputs, room), options.symbols);
  const refuse = (what: string, wanted: string, found: string): Error =>
    inputError("LOGITS_FILE", { file }, { what, wanted, found });
  const outputs = new Set(session.outputs.map(({ name }) => name));
  const known = new Set([...inputs.map(({ name }) => name), ...outputs]);
  const counted = countedInputs(session.file);
  const stranger = [...recorded.keys()].find((name) => !known.has(name) && !counted.has(name));
  if (stranger !== undefined) throw refuse("a tensor is no input or output", [...known].join(", "), stranger);
  const tokens = inputs.find((port) => roleOf(port) === "tokens");
  const ids = tokens === undefined ? undefined : recorded.get(tokens.name);
  if (ids?.dims.length !== 2)
    throw refuse("the token ids are not there", `${tokens?.name ?? "token ids"} [batch, sequence]`, "none");
  const [rows = 1] = ids.dims;
  const fixed = fixedRows(inputs) ?? rows;
  if (fixed !== rows)
    throw refuse("it has another number of rows", `${fixed}, which the graph takes`, String(rows));
  const wanted = new Map([...recorded].filter(([name]) => outputs.has(name)));
  if (wanted.size === 0)
    throw refuse("it has no output", [...outputs].join(", "), [...recorded.keys()].join(", "));
  const past = inputs.find((port) => roleOf(port) === "past" && recorded.has(port.name));
  const sizes = {
    batch: rows,
    sequence: ids.dims[1] ?? 1,
    past: past === undefined ? 0 : (recorded.get(past.name)?.dims.at(-2) ?? 0),
  };
  const positions = sizes.past + sizes.sequence;
  if (room !== null && positions > room)
    throw refuse(
      "it is longer than the graph's caches",
      `${room} tokens, past and new ones`,
      String(positions),
    );
  const padded = isUnpadded(session.file) ? paddingIn(recorded, inputs, counted, sizes.past) : null;
  if (padded !== null)
    throw refuse(
      "the graph takes a row without padding",
      "a mask of ones, and positions that follow the past's",
      padded,
    );
  const own = new Map(
    inputs.map((port) => [port.name, recorded.get(port.name) ?? missing(port, sizes, file)]),
  );
  const kept = room === null ? wanted : ofBuffers(wanted, session.outputs, room, positions);
  return { feeds: feeder.complete(own, sizes), sizes, wanted: kept };
}

/** What was recorded of a row with padding: a mask that hides something, or other positions; null where nothing was. */
function paddingIn(
  recorded: Tensors,
  inputs: readonly Port[],
  counted: ReadonlySet<string>,
  past: number,
): string | null {
  const masks = new Set(inputs.filter((port) => roleOf(port) === "mask").map(({ name }) => name));
  for (const [name, { data }] of recorded) {
    const hidden = masks.has(name) ? [...data].findIndex((one) => Number(one) === 0) : -1;
    if (hidden >= 0) return `0 at ${hidden} of ${name}`;
    const other = counted.has(name) ? [...data].findIndex((one, i) => Number(one) !== past + i) : -1;
    if (other >= 0) return `${String(data[other])} at ${other} of ${name}`;
  }
  return null;
}

/** An input that was not recorded: what the sizes alone determine, or a cache without a past. */
function missing(port: Port, sizes: Case, file: string): HostTensor {
  const { dtype } = port;
  const role = roleOf(port);
  const dims = resolveDims(port, sizes);
  const found = `no tensor "${port.name}"`;
  if (dtype === null || dtype === "string")
    throw inputError("LOGITS_FILE", { file }, { what: "an input is not there", wanted: port.name, found });
  if (role === "past" && sizes.past === 0 && dims.includes(0)) return { dtype, dims, data: zeros(dtype, 0) };
  const known = structure(role, dtype, dims, sizes);
  if (known !== null) return tensorFrom(dtype, dims, known);
  throw inputError("LOGITS_FILE", { file }, { what: "an input is not there", wanted: port.name, found });
}

/** The result, with what was recorded in its place at tokens that the mask leaves out, where nothing is promised. */
function attended(
  got: HostTensor | undefined,
  want: HostTensor,
  mask: HostTensor | undefined,
  { batch, sequence }: Case,
): HostTensor {
  if (got === undefined) return { ...want, dims: [0] };
  const isPerToken =
    want.dims[0] === batch && want.dims[1] === sequence && got.dims.join() === want.dims.join();
  if (mask?.dims.length !== 2 || !isPerToken || got.dtype === "string") return got;
  const total = mask.dims[1] ?? 0;
  const width = want.data.length / (batch * sequence);
  const isOpen = (token: number): boolean => {
    const at = Math.floor(token / sequence) * total + (total - sequence) + (token % sequence);
    return Number(mask.data[at]) !== 0;
  };
  return tensorFrom(got.dtype, got.dims, (i) => Number((isOpen(Math.floor(i / width)) ? got : want).data[i]));
}

/** Whether a file begins as zip archives do; a header of safetensors is never as long as that would mean. */
function isArchive(file: string): boolean {
  const fd = openFile(file);
  try {
    const start = Buffer.alloc(4);
    return readSync(fd, start, 0, 4, 0) === 4 && start.toString("latin1") === "PK\x03\x04";
  } finally {
    closeSync(fd);
  }
}

/** The tensors of a safetensors file, of the types that JavaScript has. */
function tensorsIn(file: string): Tensors {
  const { tensors } = readSafetensors(file);
  const fd = openFile(file);
  try {
    return new Map(
      [...tensors].map(([name, { dtype, shape, offset, length }]) => {
        if (!isElementType(dtype) || dtype === "string") {
          const wanted = "a type that JavaScript has, such as float";
          throw inputError("LOGITS_FILE", { file, name }, { what: "a tensor's type", wanted, found: dtype });
        }
        const { buffer } = readBytes(fd, offset, length).slice();
        const like = zeros(dtype, 0) as Exclude<HostTensor["data"], string[]>;
        const data = Reflect.construct(like.constructor, [buffer]) as HostTensor["data"];
        return [name, { dtype, dims: shape, data }];
      }),
    );
  } finally {
    closeSync(fd);
  }
}
