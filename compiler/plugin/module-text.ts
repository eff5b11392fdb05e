import type { PlacedEntry } from "./entry.ts";

/** How a module gets at what it hands over. */
export interface ModuleParts {
  /** Imports that the expressions below need. */
  readonly imports?: readonly string[];
  /** An expression of the graph's URL. */
  readonly url: string;
  /** Expressions of other files' URLs, by path; those that are left out lie beside the graph. */
  readonly files?: ReadonlyMap<string, string>;
  /** The module of `@tokenformer/tfc/web`. */
  readonly web: string;
  /** The module that loads onnxruntime. */
  readonly host: string;
}

/** The module that an import gives: its graph's description, and where its files are. */
export function moduleText(entry: PlacedEntry, { imports = [], url, files, web, host }: ModuleParts): string {
  const at = (path: string): string => files?.get(path) ?? `new URL(${JSON.stringify(path)}, url).href`;
  const data = entry.files
    .filter(({ path }) => path !== entry.graph && path !== entry.text)
    .map(({ path, size }) => `{ path: ${JSON.stringify(path)}, url: ${at(path)}, size: ${size} }`);
  return [
    `import { defineModel } from ${JSON.stringify(web)};`,
    `import { host } from ${JSON.stringify(host)};`,
    ...imports,
    `const url = ${url};`,
    `const model = /* @__PURE__ */ defineModel({`,
    `  name: ${JSON.stringify(entry.name)},`,
    `  url,`,
    `  data: [${data.join(", ")}],`,
    `  text: ${entry.text === null ? "null" : at(entry.text)},`,
    `  description: ${JSON.stringify(shown(entry))},`,
    `  facts: ${JSON.stringify(entry.facts)},`,
    `  host,`,
    `});`,
    `export default model;`,
    ``,
  ].join("\n");
}

/** The description without what stands in it twice, or speaks of the machine that exported it. */
function shown({ description, facts }: PlacedEntry): object {
  return { ...description, metadata: facts.metadata };
}
