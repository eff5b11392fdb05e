import { inputError } from "../diagnostics/error.ts";
import type { Case } from "../../runtime/session/dims.ts";

/** A reader of tolerances: numbers, 0 or more. */
export function toleranceOf(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= 0) return value;
    throw outOfRange(option, "a number, 0 or more", text);
  };
}

/** A reader of whole numbers from a least one on, up to a most one where there is any. */
export function countOf(option: string, least = 0, most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    const wanted = most === Infinity ? `${least} or more` : `from ${least} to ${most}`;
    throw outOfRange(option, `a whole number${most === Infinity ? "," : ""} ${wanted}`, text);
  };
}

/** A reader of seconds, fractions included. */
export function secondsOf(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value > 0 && value <= 2_147_483) return value;
    throw outOfRange(option, "seconds, more than 0 and at most 2147483", text);
  };
}

/** Reads members of a bank: `0,1,-1`. */
export function idsOf(text: string): readonly number[] {
  const ids = text.split(",").map((id) => id.trim());
  if (ids.every((id) => /^(-1|\d{1,9})$/.test(id))) return ids.map(Number);
  const wanted = "members counted from 0, or -1 for the base, separated by commas";
  throw outOfRange("--adapter-ids", wanted, text);
}

/** Reads one member of a bank. */
export function idOf(text: string): number {
  if (/^(-1|\d{1,9})$/.test(text.trim())) return Number(text);
  throw outOfRange("--adapter-ids", "one member, counted from 0, or -1 for the base", text);
}

/** Reads cases: `1x16` is one row of 16 tokens, `2x1+7` two rows of one token behind a cache of seven. */
export function casesOf(text: string): readonly Case[] {
  return text.split(",").map((one) => {
    const [, batch, sequence, past = "0"] =
      /^([1-9]\d{0,5})x([1-9]\d{0,8})(?:\+(\d{1,9}))?$/.exec(one.trim()) ?? [];
    if (batch !== undefined && sequence !== undefined)
      return { batch: Number(batch), sequence: Number(sequence), past: Number(past) };
    throw outOfRange("--cases", "rows x tokens, or rows x tokens + cache, such as 1x16,2x1+7", text);
  });
}

/** Adds `NAME=N` to the sizes given before. */
export function sizesOf(text: string, before: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const [, name, size] = /^(.+)=([1-9]\d{0,8})$/.exec(text) ?? [];
  if (name === undefined || size === undefined)
    throw outOfRange("--size", "NAME=N, the name of a dimension and a whole number from 1", text);
  return new Map([...before, [name.trim(), Number(size)]]);
}

function outOfRange(option: string, wanted: string, found: string): Error {
  return inputError("OPTION_OUT_OF_RANGE", {}, { option, wanted, found });
}
