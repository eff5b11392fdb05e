import { loopInputs, loopOutputs } from "../../compiler/ops/decode-loop.ts";
import { toHalf } from "../../compiler/weights/half.ts";
import type { Session } from "../session/session.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../session/tensor.ts";
import type { EngineRequest } from "./messages.ts";

/** A row of a run: a request, and how many tokens its answer may have. */
export interface LoopRow {
  readonly request: EngineRequest;
  readonly most: number;
}

/** New tokens of a row, and whether an id ended it. */
export interface LoopAnswer {
  readonly ids: readonly number[];
  readonly isStopped: boolean;
  /** Whether it ends where logits were NaN. */
  readonly isBroken: boolean;
}

/**
 * Runs rows from prompt to answer.
 *
 * @param rows with the same stop ids
 * @param adapters what the graph takes of adapters
 * @throws what the run throws
 */
export async function runLoop(
  session: Session,
  rows: readonly LoopRow[],
  adapters: Tensors,
): Promise<readonly LoopAnswer[]> {
  const results = await session.run(new Map([...feedsOf(session, rows), ...adapters]));
  const [tokens, lengths] = [results.get(loopOutputs.tokens), results.get(loopOutputs.lengths)];
  const [, width = 0] = tokens?.dims ?? [];
  return rows.map(({ most }, row) => {
    const length = Math.min(Number(lengths?.data[row] ?? 0), most);
    const ids = Array.from({ length }, (_, i) => Number(tokens?.data[row * width + i]));
    const end = length < width ? Number(tokens?.data[row * width + length]) : null;
    return { ids, isStopped: length < most, isBroken: length < most && end === -1 };
  });
}

function feedsOf({ inputs }: Session, rows: readonly LoopRow[]): Tensors {
  const longest = Math.max(...rows.map(({ request }) => request.prompt.length));
  const padding = rows.map(({ request }) => longest - request.prompt.length);
  const setting = (of: (row: LoopRow) => number): Fed => {
    const values = rows.map(of);
    return [[rows.length], (i) => values[i] ?? 0];
  };
  const byToken = (of: (row: number, at: number) => number): Fed => [
    [rows.length, longest],
    (i) => of(Math.floor(i / longest), (i % longest) - (padding[Math.floor(i / longest)] ?? 0)),
  ];
  const stops = rows[0]?.request.stopIds ?? [];
  const fed: Readonly<Record<string, Fed>> = {
    [loopInputs.ids]: byToken((row, at) => rows[row]?.request.prompt[at] ?? 0),
    [loopInputs.mask]: byToken((_, at) => (at < 0 ? 0 : 1)),
    [loopInputs.maxNewTokens]: setting(({ most }) => most),
    [loopInputs.temperature]: setting(({ request }) => request.sampling.temperature ?? 0),
    [loopInputs.topK]: setting(({ request }) => request.sampling.topK ?? 0),
    [loopInputs.topP]: setting(({ request }) => request.sampling.topP ?? 1),
    [loopInputs.minP]: setting(({ request }) => request.sampling.minP ?? 0),
    [loopInputs.repetitionPenalty]: setting(({ request }) => request.sampling.repetitionPenalty ?? 1),
    [loopInputs.seed]: setting(({ request }) => request.sampling.seed ?? anySeed()),
    [loopInputs.stopIds]: [[stops.length], (i) => stops[i] ?? -1],
  };
  return new Map(
    inputs.flatMap(({ name, dtype }): (readonly [string, HostTensor])[] => {
      const one = fed[name];
      if (one === undefined || dtype === null || dtype === "string") return [];
      const [dims, element] = one;
      const encoded = dtype === "float16" ? (i: number): number => toHalf(element(i)) : element;
      return [[name, tensorFrom(dtype, dims, encoded)]];
    }),
  );
}

/** Sizes of a tensor, and its elements by index. */
type Fed = readonly [dims: readonly number[], element: (index: number) => number];

function anySeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}
