import { createReadStream, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
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
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  const start = Number(from ?? 0);
  const end = to === undefined || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== undefined && start > end) {
    response.writeHead(416, { "Content-Range": `bytes */${size}` }).end();
    return;
  }
  response.writeHead(from === undefined ? 200 : 206, {
    "Content-Type": file.endsWith(".json") ? "application/json" : "application/octet-stream",
    "Content-Length": end - start + 1,
    "Accept-Ranges": "bytes",
    // Names tell contents apart.
    "Cache-Control": "no-cache",
    ...(from === undefined ? {} : { "Content-Range": `bytes ${start}-${end}/${size}` }),
  });
  if (method === "HEAD") response.end();
  else createReadStream(file, { start, end }).pipe(response);
}
