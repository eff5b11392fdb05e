import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { PlacedEntry } from "./entry.ts";

const HEAD = `// Types of models that are compiled at build time. The build step writes this file anew; it may be committed.
`;

/** Types of the imports of a project, in a file that editors find. */
export class TypesFile {
  readonly #file: string;
  readonly #seen = new Map<string, string>();

  constructor(file: string) {
    this.#file = file;
  }

  /** Writes what an import gives; what is there of other imports stays. */
  add(specifier: string, entry: PlacedEntry): void {
    const text = declaration(specifier, entry);
    const name = nameOf(specifier);
    if (this.#seen.get(name) === text) return;
    this.#seen.set(name, text);
    const before = existsSync(this.#file) ? readFileSync(this.#file, "utf8") : "";
    const blocks = new Map(
      [...before.matchAll(/^declare module ("(?:[^"\\]|\\.)*") \{\n[\s\S]*?^\}\n/gm)].map((match) => [
        String(JSON.parse(match[1] ?? '""')),
        match[0],
      ]),
    );
    blocks.set(name, text);
    const sorted = [...blocks].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, block]) => block);
    const after = [HEAD, ...sorted].join("\n");
    if (after === before) return;
    const temporary = `${this.#file}.${process.pid}.tmp`;
    writeFileSync(temporary, after);
    renameSync(temporary, this.#file);
  }
}

/** Whatever the folder of who imports it: TypeScript knows modules by their ends. */
function nameOf(specifier: string): string {
  return `*${specifier.replace(/^(?:\.{1,2}\/)+/, "/")}`.replace(/^\*\/?/, "*/");
}

function declaration(specifier: string, { description }: PlacedEntry): string {
  const { inputs, outputs, adapters } = description;
  const fields = { inputs, outputs, adapters };
  const types = Object.entries(fields).map(
    ([name, value]) => `    readonly ${name}: ${literal(value, "    ")};`,
  );
  return [
    `declare module ${JSON.stringify(nameOf(specifier))} {`,
    `  const model: import("@tokenformer/tfc/web").CompiledModel<{`,
    ...types,
    `  }>;`,
    `  export default model;`,
    `}`,
    ``,
  ].join("\n");
}

/** A value as the type that has it alone. */
function literal(value: unknown, indent: string): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one !== "object"))
      return `readonly [${value.map((one) => JSON.stringify(one)).join(", ")}]`;
    return `readonly [\n${value.map((one) => `${inner}${literal(one, inner)},\n`).join("")}${indent}]`;
  }
  const fields = Object.entries(value).map(
    ([name, one]) => `readonly ${JSON.stringify(name)}: ${literal(one, inner)}`,
  );
  return `{ ${fields.join("; ")} }`;
}
