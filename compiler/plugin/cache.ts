import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../onnx/output/folders.ts";
import { compileProcess } from "./compile-process.ts";
import { configFile } from "./config-file.ts";
import { Entries } from "./entries.ts";
import type { PlacedEntry } from "./entry.ts";
import { isSame, type Dependency } from "./identity.ts";
import { digestOf, type ImportRequest } from "./import-id.ts";
import type { PluginOptions } from "./options.ts";
import { readRecord, recordText } from "./record.ts";
import { writing } from "./writable.ts";

/** What an import was compiled to, and of what. */
export interface Known {
  readonly key: string;
  readonly config: string | null;
  readonly dependencies: readonly Dependency[];
  readonly isInline: boolean;
  readonly target: "node" | "browser" | null;
}

/** What an import gives. */
export interface Found extends Omit<Known, "key"> {
  readonly entry: PlacedEntry;
}

/** Compiled models in a folder, by the imports that ask for them. */
export class Cache {
  readonly #folder: string;
  readonly #entries: Entries;
  readonly #options: PluginOptions;
  readonly #root: string;
  readonly #version: string;
  /** What is being made, by import: of several that ask for one, one makes it. */
  readonly #making = new Map<string, Promise<Found>>();

  /** @param version tfc's own: another one compiles anew */
  constructor(folder: string, options: PluginOptions, root: string, version: string) {
    this.#folder = folder;
    this.#entries = new Entries(folder);
    this.#options = options;
    this.#root = root;
    this.#version = version;
  }

  /** The model that an import asks for, compiled where it is not there. @throws TfcError what compiling throws */
  async get(request: ImportRequest): Promise<Found> {
    const name = digestOf(JSON.stringify([this.#version, request.model, request.query, this.#options]));
    const before = this.#making.get(name) ?? Promise.resolve();
    const made = before.then(
      () => this.#find(name, request),
      () => this.#find(name, request),
    );
    this.#making.set(name, made);
    return made;
  }

  async #find(name: string, request: ImportRequest): Promise<Found> {
    const index = join(this.#folder, "imports", `${name.slice(0, 32)}.json`);
    const known = readKnown(index);
    const config = configFile(request, this.#options, this.#root);
    if (known !== null && known.config === config && known.dependencies.every(isSame)) {
      const entry = this.#entries.open(known.key);
      if (entry !== null) return { ...known, entry };
    }
    const made = await compileProcess.entry(request, {
      plugin: this.#options,
      root: this.#root,
      version: this.#version,
      known: known?.dependencies ?? [],
      folder: this.#folder,
    });
    this.#remember(index, made);
    return made;
  }

  #remember(index: string, { entry, ...known }: Found): void {
    writing("cache", this.#folder, () => {
      makeFolder(join(this.#folder, "imports"));
      const temporary = `${index}.${process.pid}`;
      writeFileSync(temporary, recordText({ key: entry.key, ...known } satisfies Known));
      renameSync(temporary, index);
    });
  }
}

/** Null where nothing is known, or what is written there is no record. */
function readKnown(file: string): Known | null {
  const known = readRecord(file) as Partial<Known> | null;
  return typeof known?.key === "string" && Array.isArray(known.dependencies) ? (known as Known) : null;
}
