import path from "node:path";
import { readAdapter } from "../../../compiler/weights/read-adapter.ts";
import type { Random } from "../random.ts";

/** A kind of input. `write` makes one in a folder; `read` does with it what tfc does with such files. */
export interface Target {
  readonly name: string;
  readonly write: (folder: string, random: Random) => void;
  readonly read: (folder: string) => Promise<void> | void;
  /** Whether reading ends with files that are written. */
  readonly writes?: true;
}

export type Mutate = (bytes: Uint8Array, random: Random) => Uint8Array;

/** The repository: what is bundled knows its place no more. */
const repository = process.cwd();
export const tests = path.join(repository, "test");
export const samples = path.join(repository, "samples/models");

/** Reads an adapter, all its numbers included. */
export function readAll(file: string): void {
  const { parts, overrides } = readAdapter(file, { alpha: 1, heads: 1 });
  for (const { leaves } of parts) for (const leaf of leaves.values()) leaf.bytes();
  for (const weight of overrides.values()) weight.bytes();
}

/** Values may be undefined, which JSON is not. */
export function jsonOf(value: unknown): string {
  return JSON.stringify([value]).slice(1, -1);
}
