import type { Model } from "../../compiler/ir/model.ts";
import { asTensor } from "../../compiler/ir/type.ts";
import { fromHalf, toHalf } from "../../compiler/weights/half.ts";
import { random } from "../../runtime/session/random.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../runtime/session/tensor.ts";

/** One call: rows, tokens before, new tokens, and which positions of each row are padding. */
export interface Call {
  readonly rows: number;
  readonly past: number;
  readonly step: number;
  readonly padding: "none" | "left" | "right";
  /** How many positions the first row is padded by; each other one by one more than the row before. Default 0. */
  readonly padded?: number;
}

/** What callers ask of a decoder: prompts and steps, alone and in batches, padded in front and behind. */
export const calls: readonly Call[] = [
  { rows: 1, past: 0, step: 5, padding: "none" },
  { rows: 2, past: 3, step: 1, padding: "left" },
  { rows: 3, past: 4, step: 3, padding: "left" },
  { rows: 3, past: 4, step: 3, padding: "right" },
  { rows: 2, past: 0, step: 6, padding: "right" },
];

/** What float16 leaves of a number, as a share of it and of one. */
export const HALF = 0.02;

/**
 * Whether two tensors are as close as rounding leaves them, padding apart, which means nothing.
 *
 * @param allowed how far apart they may be. Default: what their type leaves
 */
export function isClose(
  want: HostTensor,
  got: HostTensor | undefined,
  call: Call,
  allowed: number = want.dtype === "float16" ? HALF : 1e-4,
): boolean {
  if (got?.data.length !== want.data.length || got.dtype !== want.dtype) return false;
  const isHalf = want.dtype === "float16";
  const numberOf = (element: unknown): number => (isHalf ? fromHalf(Number(element)) : Number(element));
  return [...want.data].every((element, i) => {
    const number = numberOf(element);
    const difference = Math.abs(number - numberOf(got.data[i]));
    return isPadding(want, i, call) || difference <= allowed * (1 + Math.abs(number));
  });
}

function isPadding({ dims }: HostTensor, place: number, call: Call): boolean {
  const [rows = 1] = dims;
  const row = Math.floor(place / (dims.slice(1).reduce((a, b) => a * b, 1) || 1));
  const positions = call.past + call.step;
  if (rows !== call.rows) return false;
  if (dims.length === 3 && dims[1] === call.step) {
    const at = Math.floor(place / (dims[2] ?? 1)) % call.step;
    return isHidden(row, call.past + at, call);
  }
  const at = Math.floor(place / (dims[3] ?? 1)) % positions;
  return dims.length === 4 && dims[2] === positions && isHidden(row, at, call);
}

function isHidden(row: number, position: number, { past, step, padding, padded = 0 }: Call): boolean {
  if (padding === "left") return position < row + padded;
  return padding === "right" && position >= past + step - row - padded;
}

/** Made-up inputs of a call for a decoder with concatenated caches. */
export function feedsOf(model: Model, call: Call): Tensors {
  const { rows, past, step } = call;
  return new Map(
    model.graph.inputs.map((input) => {
      const type = asTensor(input.type);
      const name = input.name ?? "";
      const isMask = name === "attention_mask";
      const along = isMask ? past + step : type?.shape?.length === 4 ? past : step;
      const dims = (type?.shape ?? []).map((dim, axis) => {
        const size = Number(dim ?? NaN);
        return Number.isNaN(size) ? (axis === 0 ? rows : along) : size;
      });
      const stream = random(7, name);
      let place = 0;
      const at = (): number => {
        const i = place++;
        if (isMask) return isHidden(Math.floor(i / (past + step)), i % (past + step), call) ? 0 : 1;
        if (name === "position_ids") return past + (i % step);
        if (type?.dtype === "int64") return stream.below(50);
        return type?.dtype === "float16" ? toHalf(stream.normal() / 2) : stream.normal() / 2;
      };
      return [name, tensorFrom(type?.dtype as "float" | "float16" | "int64", dims, at)];
    }),
  );
}
