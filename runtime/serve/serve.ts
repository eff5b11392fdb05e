import { createServer, type Server as HttpServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { inputError } from "../../compiler/diagnostics/error.ts";
import type { Model } from "../model/types.ts";
import { appOf } from "./app.ts";
import { stopping } from "./failure.ts";
import { keyCheck } from "./key.ts";
import { Names } from "./names.ts";
import { limitsOf, type ServeOptions } from "./options.ts";
import { Places } from "./places.ts";
import { answerUnread, unreadable } from "./unread.ts";
import { Visits } from "./visits.ts";

/** A server that listens. */
export interface Server {
  /** `http://127.0.0.1:8000`, without a path. */
  readonly url: string;
  readonly port: number;
  /** Names of the models: the base's, then those of adapters. */
  readonly models: readonly string[];
  /**
   * Takes no more requests, waits for those under way, and ends them after `grace` seconds (default 30). The model
   * stays open. Closing again ends at once what is under way.
   */
  close(grace?: number): Promise<void>;
}

/** Milliseconds in which clients whose answers were ended can read why. */
const PARTING = 1000;

/**
 * Serves a model and its adapters as OpenAI's API: `/v1/models`, `/v1/chat/completions`, `/v1/completions`, and
 * `/health`. Adapters are models under their own names.
 *
 * @throws TfcError OPTION_OUT_OF_RANGE, SERVE_NAME, SERVE_ADDRESS
 */
export async function serve(model: Model, options: ServeOptions = {}): Promise<Server> {
  const limits = limitsOf(options, model.contextLength);
  const names = new Names(model, options.name);
  let isStopping = false;
  const visits = new Visits(limits.timeout, (access) => {
    options.log?.(access);
    // Connections that were busy when the server was closed.
    if (isStopping) setImmediate(server.closeIdleConnections.bind(server));
  });
  const app = appOf({
    ...{ model, names, limits, places: new Places(limits.maxAnswers), checkKey: keyCheck(options.apiKey) },
    began: Math.floor(Date.now() / 1000),
    isStopping: () => isStopping,
    hasFailed: () => visits.hasFailed,
    begin: (response) => visits.begin(response),
  });
  const stall = limits.stallTimeout * 1000;
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false, errorHandler: unreadable });
  const server = createServer(
    {
      requestTimeout: stall,
      headersTimeout: stall,
      connectionsCheckingInterval: Math.min(stall / 2, 5000),
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  server.on("clientError", (error, socket) => {
    answerUnread(error, socket, visits.isAnsweredOn(socket));
  });
  const { host = "127.0.0.1", port = 8000 } = options;
  const bound = await listen(server, host, port);
  let closing: Promise<void> | undefined;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    port: bound,
    models: names.all,
    close: (grace = 30) => {
      isStopping = true;
      const isAgain = closing !== undefined;
      closing ??= closed(server);
      void endAfter(isAgain ? 0 : grace, { server, visits, closing });
      return closing;
    },
  };
}

function listen(server: HttpServer, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on("error", (cause) => {
      reject(inputError("SERVE_ADDRESS", {}, { address: `${host}:${port}`, why: cause.message }, cause));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

function closed(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

interface Ending {
  readonly server: HttpServer;
  readonly visits: Visits;
  readonly closing: Promise<void>;
}

/** Ends what is under way when its time is up, and the connections a moment later. */
async function endAfter(grace: number, { server, visits, closing }: Ending): Promise<void> {
  const timers: NodeJS.Timeout[] = [];
  const after = (milliseconds: number, act: () => void): void => {
    timers.push(setTimeout(act, milliseconds));
  };
  after(grace * 1000, () => {
    visits.end(stopping());
    after(visits.isEmpty ? 0 : PARTING, () => {
      server.closeAllConnections();
    });
  });
  await closing;
  timers.forEach(clearTimeout);
}
