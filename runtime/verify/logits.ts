import { LOGITS_DIM } from "../../compiler/ops/logits.ts";
import { roleOf, type Role } from "../session/roles.ts";
import type { Session } from "../session/session.ts";
import { tensorFrom, zeros, type HostTensor, type Port, type Tensors } from "../session/tensor.ts";

const choosing: ReadonlySet<Role> = new Set<Role>(["logitCount", "logitRows"]);

/** One way to ask a graph for logits: what it is fed, and what the base gives of that. */
export interface Asked {
  readonly feeds: Tensors;
  readonly want: Tensors;
  /** Whether these are some of the positions that the base computes. */
  readonly isPart: boolean;
}

/**
 * A graph that computes logits of the positions that an input chooses, held against one that computes all: it is asked
 * for all positions, and for the last.
 */
export class ChosenLogits {
  /** The input that chooses, where the other graph has none; null where both compute the same positions. */
  readonly input: Port | null;
  readonly #outputs: ReadonlySet<string>;

  constructor(base: readonly Port[], compiled: Session) {
    const chooses = (port: Port): boolean => choosing.has(roleOf(port));
    const known = new Set(base.map(({ name }) => name));
    this.input = compiled.inputs.find((port) => chooses(port) && !known.has(port.name)) ?? null;
    this.#outputs = new Set(
      compiled.outputs.filter(({ dims }) => dims.includes(LOGITS_DIM)).map(({ name }) => name),
    );
  }

  /** What to ask for in one case, with what the base gives. */
  asked(want: Tensors): readonly Asked[] {
    const { input } = this;
    if (input === null) return [{ feeds: new Map(), want, isPart: false }];
    const [logits] = [...want].flatMap(([name, tensor]) => (this.#outputs.has(name) ? [tensor] : []));
    const positions = logits?.dims.at(-2) ?? 1;
    const all = { feeds: feedsOf(input, logits, positions), want, isPart: false };
    const last = new Map([...want].map(([name, one]) => [name, this.#outputs.has(name) ? lastOf(one) : one]));
    return [all, { feeds: feedsOf(input, logits, positions, 1), want: last, isPart: true }];
  }
}

/** Asks for the last `count` of some positions; for all where it is left out. */
function feedsOf(input: Port, logits: HostTensor | undefined, positions: number, count?: number): Tensors {
  if (roleOf(input) === "logitCount")
    return new Map([[input.name, tensorFrom("int64", [], () => count ?? 0)]]);
  const kept = count ?? positions;
  const dims = input.dims.length === 1 ? [kept] : [logits?.dims[0] ?? 1, kept];
  return new Map([[input.name, tensorFrom("int64", dims, (i) => positions - kept + (i % kept))]]);
}

/** The last position of `[…, positions, width]`. */
function lastOf(tensor: HostTensor): HostTensor {
  const { dtype, dims, data } = tensor;
  const [positions, width] = [dims.at(-2) ?? 1, dims.at(-1) ?? 1];
  const kept = dims.with(-2, 1);
  const result = zeros(
    dtype,
    kept.reduce((all, dim) => all * dim, 1),
  );
  for (let i = 0; i < result.length; i++) {
    const row = Math.floor(i / width);
    const element = data[(row * positions + positions - 1) * width + (i % width)];
    if (element !== undefined) result[i] = element;
  }
  return { dtype, dims: kept, data: result };
}
