import { parentPort, type Transferable } from "node:worker_threads";
import type { Question, Reply } from "./asked.ts";
import { sentError } from "./errors.ts";

/**
 * Makes this thread one that an AskedThread asks.
 *
 * @param act the answer to a request; what it throws is answered as well
 * @param memory what of an answer is handed over and not copied
 */
export function answerAll<Request, Result>(
  act: (request: Request) => Result,
  memory: (result: Result) => readonly Transferable[],
): void {
  parentPort?.on("message", ({ id, request }: Question<Request>) => {
    let reply: Reply<Result>;
    try {
      reply = { id, result: act(request) };
    } catch (cause) {
      reply = { id, error: sentError(cause) };
    }
    parentPort?.postMessage(reply, "result" in reply ? memory(reply.result) : []);
  });
}
