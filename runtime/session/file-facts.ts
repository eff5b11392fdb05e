import { existsSync } from "node:fs";
import { countedIn } from "../../compiler/ops/unpadded.ts";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { sharedLengthIn } from "./shared-caches.ts";

/** How many positions the caches of a graph hold that are past and present in one; null of any other graph. */
export function sharedLength(file: string): number | null {
  return sharedLengthIn(metadataOf(file));
}

/** The inputs of its base that a graph computes: positions, where its row holds no padding. */
export function countedInputs(file: string): ReadonlySet<string> {
  return new Set(countedIn(metadataOf(file)));
}

/** Whether a graph takes its row to hold no padding. */
export function isUnpadded(file: string): boolean {
  return countedIn(metadataOf(file)) !== null;
}

/** Of a session of another kind, which has no file to ask, there is none. */
function metadataOf(file: string): ReadonlyMap<string, string> {
  return existsSync(file) ? readModelMetadata(file) : new Map();
}
