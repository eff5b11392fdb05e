import { parentPort } from "node:worker_threads";
import { sentError } from "../threads/errors.ts";
import { parcelOf } from "../threads/parcel.ts";
import { portOf } from "../threads/port.ts";
import type { ReadAnswer, ReadMessage } from "./reader.ts";
import { readFor } from "./read.ts";

/*
 * The thread that reads adapters: what takes long (files, checks of every number, conversions) happens here, one
 * adapter after another, and what comes out is handed over without a copy.
 */
parentPort?.on("message", ({ id, request }: ReadMessage) => {
  const answer = answerTo(id, request);
  parentPort?.postMessage(answer, "read" in answer ? [portOf(answer.read.parcel)] : []);
});

function answerTo(id: number, request: ReadMessage["request"]): ReadAnswer {
  try {
    const { tensors, base } = readFor(request);
    return { id, read: { parcel: parcelOf(tensors), base } };
  } catch (cause) {
    return { id, error: sentError(cause) };
  }
}
