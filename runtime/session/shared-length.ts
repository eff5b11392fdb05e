import { existsSync } from "node:fs";
import { readModelMetadata } from "../../compiler/weights/model-metadata.ts";
import { sharedLengthIn } from "./shared-caches.ts";

/** How many positions the caches of a graph hold that are past and present in one; null of any other graph. */
export function sharedLength(file: string): number | null {
  // A session of another kind has no file to ask.
  return existsSync(file) ? sharedLengthIn(readModelMetadata(file)) : null;
}
