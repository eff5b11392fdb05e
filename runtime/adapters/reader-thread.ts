import { parentPort } from "node:worker_threads";
import { sentError } from "../threads/errors.ts";
import type { ReadAnswer, ReadMessage } from "./reader.ts";
import { readFor } from "./read.ts";
import type { Tensors } from "../session/tensor.ts";

/*
 * The thread that reads adapters: what takes long (files, checks of every number, conversions) happens here, one
 * adapter after another, and what comes out is handed over without a copy.
 */
parentPort?.on("message", ({ id, request }: ReadMessage) => {
  let answer: ReadAnswer;
  try {
    answer = { id, read: readFor(request) };
  } catch (cause) {
    answer = { id, error: sentError(cause) };
  }
  parentPort?.postMessage(answer, "read" in answer ? buffersOf(answer.read.tensors) : []);
});

/** The memory of tensors, each piece once. */
function buffersOf(tensors: Tensors): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of tensors.values())
    if (!Array.isArray(data) && data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
  return [...buffers];
}
