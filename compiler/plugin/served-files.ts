import { createReadStream, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream";
import type { PlacedEntry } from "./entry.ts";

/** What a server calls for each request; what is not for it goes on. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/** The folder of the server that models are in. */
const FOLDER = "@tfc/";

/** Files of models that a development server gives, straight from the cache and in pieces. */
export class ServedFiles {
  readonly #entries = new Map<string, PlacedEntry>();
  #base = "/";

  /** Has an entry served. @returns the path of its graph */
  add(entry: PlacedEntry, base: string): string {
    this.#base = base;
    this.#entries.set(entry.key, entry);
    return `${base}${FOLDER}${entry.key}/${entry.graph}`;
  }

  readonly middleware: Middleware = (request, response, next) => {
    const file = this.#fileOf(request.url ?? "");
    if (file === null) next();
    else send(file, request, response);
  };

  /** The path of a file that is asked for; null where it is none of an entry's. */
  #fileOf(url: string): string | null {
    const path = decodeURIComponent(url.replace(/[?#].*$/, ""));
    // The base may have been taken away before.
    const [, key = "", name = ""] =
      new RegExp(`^(?:${escaped(this.#base)}|/)${FOLDER}([0-9a-f]+)/(.+)$`).exec(path) ?? [];
    const entry = this.#entries.get(key);
    return entry?.files.some((one) => one.path === name) === true ? join(entry.folder, name) : null;
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Sends a file, or the part that is asked for. */
function send(file: string, { headers, method }: IncomingMessage, response: ServerResponse): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    response.writeHead(404).end();
    return;
  }
  const asked = partOf(headers.range ?? "", size);
  const { start, end } = asked ?? { start: 0, end: size - 1 };
  if (asked !== null && start > end) {
    response.writeHead(416, { "Content-Range": `bytes */${size}` }).end();
    return;
  }
  response.writeHead(asked === null ? 200 : 206, {
    "Content-Type": file.endsWith(".json") ? "application/json" : "application/octet-stream",
    "Content-Length": end - start + 1,
    "Accept-Ranges": "bytes",
    // Names tell contents apart.
    "Cache-Control": "no-cache",
    ...(asked === null ? {} : { "Content-Range": `bytes ${start}-${end}/${size}` }),
  });
  if (method === "HEAD") response.end();
  // A page that is loaded again goes away in the midst of a file, which then is closed.
  else pipeline(createReadStream(file, asked ?? {}), response, () => undefined);
}

/** The part of a file that a header asks for: `bytes=0-99`, `bytes=100-` or the last, `bytes=-100`; null for all of it. */
function partOf(range: string, size: number): { readonly start: number; readonly end: number } | null {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (from === undefined || to === undefined || from + to === "") return null;
  if (from === "") return { start: Math.max(size - Number(to), 0), end: Number(to) > 0 ? size - 1 : -1 };
  const start = Number(from);
  if (to === "") return { start, end: size - 1 };
  // One that ends before it begins is none: all is given.
  return Number(to) < start ? null : { start, end: Math.min(Number(to), size - 1) };
}
