import path from "node:path";
import { inputError } from "../../compiler/diagnostics/error.ts";
import { isObject, readJson, type Json } from "./json-file.ts";

/** Numbers that a field may have. */
export interface Numbers {
  readonly wanted: string;
  readonly fits: (n: number) => boolean;
}

/** A configuration's object, read field by field. A field that is null is not there. */
export class ConfigSource {
  readonly file: string;
  /** Whether there is such a file. */
  readonly isThere: boolean;
  readonly #json: Json;

  private constructor(file: string, json: Json | null) {
    this.file = file;
    this.isThere = json !== null;
    this.#json = json ?? {};
  }

  /** The file of a name in the first folder that has one; an empty object where none has. @throws TfcError MODEL_CONFIG */
  static in(folders: readonly string[], name: string): ConfigSource {
    for (const folder of folders) {
      const file = path.join(folder, name);
      const json = readJson(file);
      if (json !== null) return new ConfigSource(file, json);
    }
    return new ConfigSource(name, null);
  }

  within(name: string): ConfigSource {
    const json = this.#json[name];
    return new ConfigSource(this.file, isObject(json) ? json : null);
  }

  /** What a field has, whatever that is. */
  field(name: string): unknown {
    return this.#json[name] ?? null;
  }

  number(name: string, { wanted, fits }: Numbers): number | null {
    return this.value(name, wanted, (value): value is number => typeof value === "number" && fits(value));
  }

  /** One id or several. Some files say -1 for none. */
  ids(name: string): readonly number[] {
    const isIds = (value: unknown): value is number | readonly number[] =>
      [value].flat().every(Number.isSafeInteger);
    return [this.value(name, "a token id, or a list of them", isIds) ?? []].flat().filter((id) => id >= 0);
  }

  /** A field of one kind. @throws TfcError MODEL_CONFIG where it is of another */
  value<T>(name: string, wanted: string, is: (value: unknown) => value is T): T | null {
    const value = this.field(name);
    if (value === null || is(value)) return value;
    const text = { wanted: `${name}: ${wanted}`, why: JSON.stringify(value) };
    throw inputError("MODEL_CONFIG", { file: this.file }, text);
  }
}
