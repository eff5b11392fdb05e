import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const root = "samples/models";

/** Families that are not recognized yet; what PyTorch computes lies beside each. */
const NEW = /^new-families\b/;

/** The sample models: `austen-llama-dynamo` is `samples/models/austen-llama/dynamo/model.onnx`. */
export const samples: readonly { readonly name: string; readonly file: string }[] = readdirSync(root, {
  recursive: true,
  encoding: "utf8",
})
  .filter((path) => /[/\\]model\.onnx$/.test(path) && !NEW.test(path))
  .sort()
  .map((path) => ({ name: dirname(path).replaceAll(/[/\\]/g, "-"), file: join(root, path) }));
