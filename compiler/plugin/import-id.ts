import { createHash } from "node:crypto";
import { basename } from "node:path";

/** What an import asks for. */
export interface ImportRequest {
  /** The model, absolute. */
  readonly model: string;
  /** The query behind it, without `?`. */
  readonly query: string;
  /** As it stands in the code. */
  readonly specifier: string;
  /** The file that imports it; null where it is an entry. */
  readonly importer: string | null;
}

/** What ids of modules that the plugin makes begin with; bundlers leave ids with \0 to who made them. */
const PREFIX = "\0tfc:";

/** Import specifiers that ask for a compiled model. */
export const SPECIFIER = /\?(?:[^#]*&)?tfc(?:[&=#]|$)/;

/** Ids of modules that the plugin makes. Bundlers that keep them as files need them short. */
export const ID = /^\0tfc:/;

/** `./llama.onnx?tfc&rank=8` in its two parts. */
export function divided(specifier: string): readonly [path: string, query: string] {
  const at = specifier.indexOf("?");
  return [specifier.slice(0, at), specifier.slice(at + 1).replace(/#.*$/, "")];
}

/** The id of what an import asks for: its name, and a digest of it. */
export function idOf(request: ImportRequest): string {
  return `${PREFIX}${digestOf(JSON.stringify([request.model, request.query])).slice(0, 12)}-${basename(request.model)}.js`;
}

/** SHA-256 of a text or bytes, in hexadecimal digits. */
export function digestOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
