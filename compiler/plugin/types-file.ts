import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import type { GraphDescription } from "../bindings/description.ts";
import { compileProcess } from "./compile-process.ts";
import { digestOf, type ImportRequest } from "./import-id.ts";
import { ownVersion } from "./paths.ts";
import { writing } from "./writable.ts";

const HEAD = `// Types of models that are compiled at build time. The build step writes this file anew; it may be committed.
`;

/** Types of one import. */
interface Block {
  /** Which graph, and which version of tfc, the types are of. */
  readonly graph: string;
  /** Files with the import, relative to the file of types; none where they cannot be told. */
  readonly importers: readonly string[];
  readonly types: string;
}

/**
 * Types of the imports of a project, in a file that editors find. Builds of a server and of pages may share it: what one
 * build has not met stays, unless the files that had the import are gone or have it no more.
 */
export class TypesFile {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** Writes what an import gives. */
  async add({ specifier, importer }: ImportRequest, graph: GraphDescription): Promise<void> {
    const name = nameOf(specifier);
    const id = digestOf(`${ownVersion()} ${JSON.stringify(graph)}`).slice(0, 12);
    const known = this.#blocks().get(name);
    // Printing takes a second, most of it to load the printer.
    const types = known?.graph === id ? known.types : indented(await compileProcess.types(graph));
    // Other imports may have been written meanwhile.
    const blocks = this.#blocks();
    const from = importer === null ? null : relative(this.#folder, importer).replaceAll("\\", "/");
    const isTold = from !== null && this.#imports(from, name);
    const importers = new Set([...(blocks.get(name)?.importers ?? []), ...(isTold ? [from] : [])]);
    blocks.set(name, { graph: id, importers: [...importers].sort(), types });
    this.#write(blocks);
  }

  /** Removes the types of imports that are gone. */
  clean(): void {
    if (existsSync(this.#file)) this.#write(this.#blocks());
  }

  get #folder(): string {
    return dirname(this.#file);
  }

  #text(): string {
    return existsSync(this.#file) ? readFileSync(this.#file, "utf8") : "";
  }

  #blocks(): Map<string, Block> {
    const found = this.#text().matchAll(/^declare module ("(?:[^"\\]|\\.)*") \{\n([\s\S]*?)^\}\n/gm);
    return new Map(
      [...found].map(([, name = '""', inside = ""]) => {
        const importers = [...inside.matchAll(/^ {2}\/\/ Imported by (.*)$/gm)].map(([, file = ""]) => file);
        const graph = /^ {2}\/\/ Graph (\w+)$/m.exec(inside)?.[1] ?? "";
        const types = inside.replace(/^ {2}\/\/ (?:Imported by|Graph) .*\n/gm, "");
        return [String(JSON.parse(name)), { graph, importers, types }];
      }),
    );
  }

  #write(blocks: ReadonlyMap<string, Block>): void {
    const kept = [...blocks].flatMap(([name, block]) => {
      const importers = block.importers.filter((file) => this.#imports(file, name));
      const isGone = block.importers.length > 0 && importers.length === 0;
      return isGone ? [] : [[name, blockText(name, { ...block, importers })] as const];
    });
    const sorted = kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
    const after = [HEAD, ...sorted].join("\n");
    if (after === this.#text()) return;
    writing("types", this.#file, () => {
      const temporary = `${this.#file}.${process.pid}.tmp`;
      writeFileSync(temporary, after);
      renameSync(temporary, this.#file);
    });
  }

  /** Whether a file has an import of this name, as far as its text tells. */
  #imports(from: string, name: string): boolean {
    const file = resolve(this.#folder, from);
    if (!existsSync(file)) return false;
    const end = name.slice(2).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    return new RegExp(`["'\`/]${end}["'\`]`).test(readFileSync(file, "utf8"));
  }
}

/** Whatever the folder of who imports it: TypeScript knows modules by their ends. */
function nameOf(specifier: string): string {
  return `*${specifier.replace(/^(?:\.{1,2}\/)+/, "/")}`.replace(/^\*\/?/, "*/");
}

function blockText(name: string, { graph, importers, types }: Block): string {
  return [
    `declare module ${JSON.stringify(name)} {`,
    ...importers.map((file) => `  // Imported by ${file}`),
    `  // Graph ${graph}`,
    `${types}}`,
    ``,
  ].join("\n");
}

/** The graph's types, and the model that a module gives, by their names. */
function indented(types: string): string {
  const text = `${types}
const model: import("@tokenformer/tfc/web").CompiledModel<
  import("@tokenformer/tfc/web").NamedFacts<InputName, OutputName, Slot>
>;
export default model;
`;
  return text.replace(/^(?=.)/gm, "  ");
}
