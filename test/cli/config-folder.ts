import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readSafetensors } from "../../compiler/weights/safetensors/safetensors.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tfc } from "../support/tfc.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";
import { expect } from "@jest/globals";

const root = temporaryFolder();
let count = 0;

/** A folder with a model, and a configuration of each name given. */
export function fresh(files: Readonly<Record<string, string | object>> = {}): string {
  const folder = path.join(root, String(count++));
  mkdirSync(folder);
  writeModel(folder, "model.onnx", tinyDecoder());
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

/** What compile reports when it is run in a folder. */
export function compiledIn(folder: string, ...args: readonly string[]): Record<string, unknown> {
  const { status, stdout, stderr } = tfc(["compile", "model.onnx", "--json", ...args], folder);
  // Notes may be said: of an adapter whose base is unknown, for one.
  expect({ status, problems: stderr.match(/\b(?:error|warning) [A-Z_]+:.*/g) }).toEqual({
    status: 0,
    problems: null,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The shapes of what a compiled model has been given. */
export function shapesIn(folder: string, output = "model.tfc"): Record<string, readonly number[]> {
  const { tensors } = readSafetensors(path.join(folder, `${output}.adapters.safetensors`));
  return Object.fromEntries(
    [...tensors].map(([name, { shape }]) => [name.replace("model.layers.0.", ""), shape]),
  );
}

export const typed = `import type { TfcConfig } from "@tokenformer/tfc/config";

type Kind = "lora" | "scalarlm";
interface Entry {
  readonly kind: Kind;
  readonly sites: string;
}
const entries: readonly Entry[] = [{ kind: "lora" satisfies Kind, sites: "q_proj" as string }];
const rank = <T extends number>(n: T): T => n;

export default {
  adapters: entries.map((entry) => ({ ...entry, settings: { rank: rank(3) } })),
} satisfies TfcConfig;
`;
export const oneLora = { adapters: [{ kind: "lora", sites: "q_proj", settings: { rank: 3 } }] };
export const modules: readonly (readonly [name: string, content: string | object])[] = [
  ["tfc.config.json", oneLora],
  ["tfc.config.ts", typed],
  ["tfc.config.mts", typed],
  ["tfc.config.mjs", `export default ${JSON.stringify(oneLora)};`],
  ["tfc.config.js", `export default ${JSON.stringify(oneLora)};`],
];
