import { existsSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, normalize, relative, resolve, sep } from "node:path";
import { inputError } from "../diagnostics/error.ts";
import type { ByteRange } from "../ir/tensor.ts";
import { refusePointerAt } from "./lfs.ts";
import { lookAt } from "./open-failure.ts";
import type { Entry } from "./schema.ts";
import { stampOf, type Stamp } from "./stamp.ts";

/** External data as a tensor declares it. */
export interface ExternalData {
  readonly location: string;
  /** null when the file is missing. */
  readonly range: ByteRange | null;
}

/**
 * Finds external data. A location may not leave the model's folder, neither by its text nor through a symbolic
 * link: a model is data from strangers, and must not make a compiler read the user's other files. Where the model is
 * itself a symbolic link, its data may also be one into the folder that the model really lies in: so the cache of
 * Hugging Face keeps both, and onnxruntime reads it.
 */
export class ExternalResolver {
  /** The model's file, as the user named it. */
  readonly model: string;
  readonly #folder: string;
  readonly #files = new Map<string, { file: string; size: number } | null>();
  /** Locations whose file is missing, with the number of tensors that need it. */
  readonly missing = new Map<string, number>();
  /** The files found, as they were then. */
  readonly stamps = new Map<string, Stamp>();

  constructor(model: string) {
    this.model = model;
    this.#folder = dirname(resolve(model));
  }

  /**
   * @param bytes the size the tensor's type asks for, or null when unknown
   * @throws TfcError EXTERNAL_PATH_ESCAPES, EXTERNAL_DATA_INVALID, EXTERNAL_DATA_SHORT, FILE_IS_LFS_POINTER;
   *   FILE_NOT_FOUND for a file that is there and may not be read
   */
  resolve(
    entries: readonly Entry[],
    bytes: number | null,
    tensor: { path: string; name: string },
  ): ExternalData {
    const place = { file: this.model, ...tensor };
    const field = (key: string): string | undefined => entries.find((e) => e.key === key)?.value ?? undefined;
    const location = field("location") ?? "";
    if (location === "")
      throw inputError("EXTERNAL_DATA_INVALID", place, { field: "location", value: location });
    const integer = (key: string): number | undefined => {
      const value = field(key);
      if (value === undefined) return undefined;
      if (!/^\d+$/.test(value) || !Number.isSafeInteger(Number(value))) {
        throw inputError("EXTERNAL_DATA_INVALID", place, { field: key, value });
      }
      return Number(value);
    };
    const offset = integer("offset") ?? 0;
    const length = integer("length");
    const found = this.#find(location, place);
    if (found === null) {
      this.missing.set(location, (this.missing.get(location) ?? 0) + 1);
      return { location, range: null };
    }
    const need = length ?? bytes ?? Math.max(0, found.size - offset);
    const end = offset + Math.max(need, bytes ?? 0);
    if (end > found.size) {
      throw inputError("EXTERNAL_DATA_SHORT", place, { location, need: end, have: found.size });
    }
    if (bytes !== null && need < bytes) {
      throw inputError("EXTERNAL_DATA_SHORT", place, { location, need: bytes, have: need, of: "length" });
    }
    if (bytes !== null && need > bytes) {
      throw inputError("EXTERNAL_DATA_INVALID", place, {
        field: "length",
        value: String(need),
        wanted: `${bytes}`,
      });
    }
    return { location, range: { file: found.file, offset, length: need } };
  }

  #find(location: string, place: object): { file: string; size: number } | null {
    const known = this.#files.get(location);
    if (known !== undefined) return known;
    const file = resolve(this.#folder, location);
    // "../folder/x" leaves the folder too, although it comes back: in another folder it would lead elsewhere.
    const leaves = normalize(location).split(sep)[0] === "..";
    if (leaves || isAbsolute(location) || !isInside(this.#folder, file)) {
      throw inputError("EXTERNAL_PATH_ESCAPES", place, { location });
    }
    let found: { file: string; size: number } | null = null;
    const stat = lookAt(file);
    if (stat !== null) {
      const real = realpathSync(file);
      if (!isInside(realpathSync(this.#folder), real) && !isInside(realFolderOf(this.model), real)) {
        throw inputError("EXTERNAL_PATH_ESCAPES", place, { location });
      }
      if (stat.isFile()) found = { file, size: stat.size };
      const stamp = stampOf(file);
      if (stamp !== null) this.stamps.set(file, stamp);
    }
    if (found !== null) refusePointerAt(found.file);
    this.#files.set(location, found);
    return found;
  }
}

/** The folder a file lies in when symbolic links are followed. */
function realFolderOf(file: string): string {
  return dirname(existsSync(file) ? realpathSync(file) : resolve(file));
}

/** Whether a file lies in a folder, or in one inside it, going by the two paths alone. */
export function isInside(folder: string, file: string): boolean {
  const path = relative(folder, file);
  return path !== "" && path !== ".." && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}
