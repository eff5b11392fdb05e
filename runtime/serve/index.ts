import type { Model } from "../model/types.ts";
import type { ServeOptions } from "./options.ts";
import type { Server } from "./serve.ts";

export type { ServeOptions } from "./options.ts";
export type { Server } from "./serve.ts";
export type { Access, Work } from "./access.ts";

/**
 * Serves a model and its adapters as OpenAI's API: `/v1/models`, `/v1/chat/completions`, `/v1/completions`, and
 * `/health`. Adapters are models under their own names. The model stays the caller's to close.
 *
 * @throws TfcError OPTION_OUT_OF_RANGE, SERVE_NAME, SERVE_ADDRESS
 * @example
 * ```ts
 * const model = await loadModel("model.onnx", { adapters: { formal: "adapters/formal" } });
 * const server = await serve(model, { port: 8000 });
 * process.once("SIGTERM", () => void server.close().then(() => model.close()));
 * ```
 */
export async function serve(model: Model, options: ServeOptions = {}): Promise<Server> {
  // HTTP is loaded by those who serve alone.
  const http = await import("./serve.ts");
  return http.serve(model, options);
}
