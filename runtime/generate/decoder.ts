import { existsSync } from "node:fs";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { fromHalf } from "../../compiler/weights/half.ts";
import { pairCache, type CacheEntry } from "../session/cache.ts";
import { checkIds } from "./options.ts";
import { adapterInterface } from "../adapters/ports.ts";
import { resolveDims, type Case } from "../session/dims.ts";
import { structure } from "../session/feeds.ts";
import { tensorsOf, type Feeds } from "../session/given.ts";
import { isSharedCache, sharedLength } from "../session/shared-caches.ts";
import { roleOf } from "../session/roles.ts";
import type { Session } from "../session/session.ts";
import {
  isFloating,
  sizeOf,
  tensorFrom,
  zeros,
  type HostTensor,
  type Port,
  type Tensors,
} from "../session/tensor.ts";

/**
 * One text on its way through a graph. Tokens are fed in pieces; what came before is kept in the graph's cache, or,
 * for a graph without one, fed again. Graphs may lack positions, a mask or a cache.
 */
export class Decoder {
  readonly #session: Session;
  readonly #extra: Tensors;
  readonly #cache: readonly CacheEntry[];
  readonly #logits: string;
  /** Positions in each cache; null where they grow. */
  readonly #room: number | null;
  /** what each cache input takes in the next step */
  #past = new Map<string, HostTensor>();
  #ids: number[] = [];

  /**
   * @param extra values of inputs that are not a decoder's own, such as adapter weights.
   * @throws TfcError GENERATE_UNSUPPORTED when the graph's inputs and outputs are not those of a decoder;
   *   GENERATE_ADAPTER where it takes an adapter and `extra` has none; INPUT_UNKNOWN or INPUT_INVALID.
   */
  constructor(session: Session, extra: Feeds = new Map()) {
    this.#session = session;
    this.#extra = tensorsOf(extra, session.file, session.inputs);
    this.#cache = pairCache(session.inputs, session.outputs);
    this.#logits = logitsOf(session, this.#cache);
    this.#room = sharedLength(session.file);
    for (const port of session.inputs) this.#check(port);
    for (const { past } of this.#cache) if (this.#isShared(past)) this.#past.set(past.name, bufferOf(past));
  }

  /** Tokens fed so far. */
  get length(): number {
    return this.#ids.length;
  }

  /**
   * Feeds tokens that follow those before; at least one.
   *
   * @returns the logits of the token after the last one, as many as the vocabulary has.
   * @param signal ends the work between two runs
   * @throws TfcError GENERATE_OPTION for what is no id; GENERATE_CACHE_FULL; RUNTIME_FAILED; the signal's reason.
   */
  async feed(ids: readonly number[], signal?: AbortSignal): Promise<Float64Array> {
    checkIds(ids);
    this.#checkRoom(ids.length);
    // A graph for one token at a time takes a prompt token by token.
    const step =
      this.#session.inputs.find((port) => roleOf(port) === "tokens")?.dims.at(-1) === 1 ? 1 : ids.length;
    let logits: Float64Array = new Float64Array(0);
    for (let at = 0; at < ids.length; at += step) {
      signal?.throwIfAborted();
      logits = await this.#step(ids.slice(at, at + step));
    }
    return logits;
  }

  async #step(ids: readonly number[]): Promise<Float64Array> {
    const past = this.#cache.length > 0 ? this.#ids.length : 0;
    const fed = this.#cache.length > 0 ? ids : [...this.#ids, ...ids];
    const sizes = { batch: 1, sequence: fed.length, past };
    const feeds = new Map(this.#session.inputs.map((port) => [port.name, this.#feedOf(port, fed, sizes)]));
    const names = [this.#logits, ...this.#cache.map(({ present }) => present)];
    const buffers = this.#cache.flatMap(({ past: port, present }) => {
      const buffer = this.#isShared(port) ? this.#past.get(port.name) : undefined;
      return buffer === undefined ? [] : [[present, buffer] as const];
    });
    const into = buffers.length === 0 ? undefined : new Map(buffers);
    const results = await this.#session.run(feeds, names, into);
    this.#ids.push(...ids);
    for (const { past: port, present } of this.#cache) {
      const tensor = results.get(present);
      if (tensor !== undefined) this.#past.set(port.name, tensor);
    }
    return lastRow(results.get(this.#logits));
  }

  /** Whether a cache input is a buffer that its output is written into. */
  #isShared(past: Port): boolean {
    return this.#room !== null && isSharedCache(past, this.#room);
  }

  /** @throws TfcError GENERATE_CACHE_FULL */
  #checkRoom(more: number): void {
    const tokens = this.#ids.length + more;
    if (this.#room === null || tokens <= this.#room) return;
    throw inputError("GENERATE_CACHE_FULL", { file: this.#session.file }, { room: this.#room, tokens });
  }

  #feedOf(port: Port, ids: readonly number[], sizes: Case): HostTensor {
    const given = this.#extra.get(port.name) ?? this.#past.get(port.name);
    if (given !== undefined) return given;
    const [dims, role, dtype] = [resolveDims(port, sizes), roleOf(port), port.dtype];
    if (dtype === null || dtype === "string") throw unsupported(port);
    if (role === "past") return { dtype, dims, data: zeros(dtype, 0) };
    // Only the last token's logits are looked at.
    if (role === "logitCount") return tensorFrom(dtype, [], () => 1);
    if (role === "logitRows")
      return tensorFrom(
        dtype,
        port.dims.map(() => 1),
        () => sizes.sequence - 1,
      );
    if (role === "tokens") return tensorFrom(dtype, dims, (index) => ids[index] ?? 0);
    return tensorFrom(dtype, dims, structure(role, dtype, dims, sizes) ?? (() => 0));
  }

  /** Whether the input is one that {@link Decoder.#feedOf} has a value for. */
  #check(port: Port): void {
    if (this.#extra.has(port.name)) return;
    const role = roleOf(port);
    if (role === "other" || port.dtype === null)
      throw adapterMissing(this.#session, port) ?? unsupported(port);
    if (role === "past" && this.#isShared(port)) return;
    if (role === "past" && sizeOf(resolveDims(port, { batch: 1, sequence: 1, past: 0 })) !== 0) {
      const [wanted, found] = ["a cache that begins empty", `${port.name} [${port.dims.join(", ")}]`];
      throw inputError(
        "GENERATE_UNSUPPORTED",
        { name: port.name },
        { what: "its cache has a fixed size", wanted, found },
      );
    }
  }
}

/** An empty buffer for one row. */
function bufferOf(port: Port): HostTensor {
  const dims = resolveDims(port, { batch: 1, sequence: 1, past: 0 });
  const dtype = port.dtype ?? "float";
  return { dtype, dims, data: zeros(dtype, sizeOf(dims)) };
}

/** The error for an input that belongs to an adapter; null for any other. */
function adapterMissing({ file, inputs }: Session, { name }: Port): Error | null {
  // Only graphs that have been compiled say what their inputs are; a session of another kind has no file to ask.
  const taken = existsSync(file) ? adapterInterface(file, inputs) : null;
  const isLeaf = taken?.ports.some(({ port }) => port.name === name) === true;
  if (!isLeaf && taken?.ids?.name !== name) return null;
  return inputError("GENERATE_ADAPTER", { file, name }, { name, takes: isLeaf ? "adapter" : "ids" });
}

function unsupported(port: Port): Error {
  return inputError(
    "GENERATE_UNSUPPORTED",
    { name: port.name },
    {
      what: `the input "${port.name}" is not a decoder's`,
      wanted: "token ids, mask, positions and cache only",
      found: `${port.dtype ?? "no tensor"} [${port.dims.join(", ")}]`,
    },
  );
}

function logitsOf({ outputs }: Session, cache: readonly CacheEntry[]): string {
  const cached = new Set(cache.map(({ present }) => present));
  const others = outputs.filter((port) => isFloating(port.dtype) && !cached.has(port.name));
  const logits =
    others.find((port) => /logits/i.test(port.name)) ?? (others.length === 1 ? others[0] : undefined);
  if (logits !== undefined) return logits.name;
  const found = others.map((port) => port.name).join(", ") || "none";
  throw inputError(
    "GENERATE_UNSUPPORTED",
    {},
    { what: "it has no logits", wanted: 'an output named "logits"', found },
  );
}

/** The logits at the last place: graphs that give one place only and graphs of flat tokens end with it too. */
function lastRow(logits: HostTensor | undefined): Float64Array {
  if (logits === undefined) return new Float64Array(0);
  const { data, dims, dtype } = logits;
  const [size, width] = [sizeOf(dims), dims.at(-1) ?? 0];
  const row = new Float64Array(width);
  for (let i = 0; i < width; i++) {
    const value = Number(data[size - width + i]);
    row[i] = dtype === "float16" ? fromHalf(value) : value;
  }
  return row;
}
