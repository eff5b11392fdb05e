import { readFileSync } from "node:fs";
import { digestOf } from "./import-id.ts";

const HEAD = '{"check":"';
const DIGITS = 64;
const MIDDLE = '","record":';

/** A value as a file of the cache: JSON that carries the digest of what it says. */
export function recordText(value: unknown): string {
  const text = JSON.stringify(value);
  return `${HEAD}${digestOf(text)}${MIDDLE}${text}}`;
}

/** The value in such a file; null where there is none, or not the one that was written. */
export function readRecord(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return null;
  }
  const start = HEAD.length + DIGITS + MIDDLE.length;
  const [check, value] = [text.slice(HEAD.length, HEAD.length + DIGITS), text.slice(start, -1)];
  // One bit of it may name another file, or another place to run: a parser sees no difference.
  if (digestOf(value) !== check || text !== `${HEAD}${check}${MIDDLE}${value}}`) return null;
  return JSON.parse(value);
}
