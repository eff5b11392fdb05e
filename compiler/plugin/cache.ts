import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../onnx/output/folders.ts";
import { configFile } from "./config-file.ts";
import { openEntry, type PlacedEntry } from "./entry.ts";
import { isSame, type Dependency } from "./identity.ts";
import { digestOf, type ImportRequest } from "./import-id.ts";
import type { PluginOptions } from "./options.ts";
import { readRecord, recordText } from "./record.ts";

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

/**
 * Compiled models in a folder. An entry is made under a name of its own and then given its place, whole; two that make
 * one at once make the same, and the first one's stays.
 */
export class Cache {
  readonly #folder: string;
  readonly #options: PluginOptions;
  readonly #root: string;
  readonly #version: string;
  /** What is being made, by import: of several that ask for one, one makes it. */
  readonly #making = new Map<string, Promise<Found>>();

  /** @param version tfc's own: another one compiles anew */
  constructor(folder: string, options: PluginOptions, root: string, version: string) {
    this.#folder = folder;
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
      const entry = openEntry(this.#place(known.key), known.key);
      if (entry !== null) return { ...known, entry };
    }
    const { makeEntry } = await import("./make-entry.ts");
    const made = await makeEntry(request, {
      plugin: this.#options,
      root: this.#root,
      version: this.#version,
      known: known?.dependencies ?? [],
      cache: this,
    });
    this.#remember(index, made);
    return made;
  }

  /** The entry of a key; null where there is none that is whole. */
  entry(key: string): PlacedEntry | null {
    return openEntry(this.#place(key), key);
  }

  /** A folder of one's own to make an entry in; those of builds that were killed are taken away. */
  workplace(): string {
    makeFolder(this.#folder);
    removeLeft(this.#folder);
    return mkdtempSync(join(this.#folder, `.making-${process.pid}-`));
  }

  /** Gives an entry its place; where another has made it meanwhile, that one stays. */
  put(workplace: string, key: string): PlacedEntry {
    const place = this.#place(key);
    for (let tries = 0; ; tries++) {
      try {
        renameSync(workplace, place);
      } catch (cause) {
        // It is there: whole, made by another; or not, and then it goes. Windows says EPERM.
        const there = openEntry(place, key);
        if (there !== null) {
          rmSync(workplace, { recursive: true, force: true });
          return there;
        }
        if (tries > 3) throw cause;
        rmSync(place, { recursive: true, force: true });
        continue;
      }
      const entry = openEntry(place, key);
      if (entry !== null) return entry;
      throw new Error(`an entry that is broken as soon as it is made: ${place}`);
    }
  }

  #place(key: string): string {
    return join(this.#folder, key.slice(0, 32));
  }

  #remember(index: string, { entry, ...known }: Found): void {
    makeFolder(join(this.#folder, "imports"));
    const temporary = `${index}.${process.pid}`;
    writeFileSync(temporary, recordText({ key: entry.key, ...known } satisfies Known));
    renameSync(temporary, index);
  }
}

/** Null where nothing is known, or what is written there is no record. */
function readKnown(file: string): Known | null {
  const known = readRecord(file) as Partial<Known> | null;
  return typeof known?.key === "string" && Array.isArray(known.dependencies) ? (known as Known) : null;
}

function removeLeft(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [, pid] = /^\.making-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // It is there, and another user's.
    return cause instanceof Error && "code" in cause && cause.code === "EPERM";
  }
}
