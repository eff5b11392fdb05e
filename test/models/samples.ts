import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const root = "samples/models";

/** Families of which only what is understood is kept, in one file: their dumps would say little more. */
const NEW = /^new-families\b/;

export interface Sample {
  readonly name: string;
  readonly file: string;
}

const all: readonly string[] = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((path) => /[/\\]model\.onnx$/.test(path))
  .sort();

/** The sample models: `austen-llama-dynamo` is `samples/models/austen-llama/dynamo/model.onnx`. */
export const samples: readonly Sample[] = all.filter((path) => !NEW.test(path)).map(sampleAt);

/** Those of `samples/models/new-families`. */
export const newFamilies: readonly Sample[] = all.filter((path) => NEW.test(path)).map(sampleAt);

function sampleAt(path: string): Sample {
  return { name: dirname(path).replaceAll(/[/\\]/g, "-"), file: join(root, path) };
}
