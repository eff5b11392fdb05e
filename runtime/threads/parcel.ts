import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import type { Tensors } from "../session/tensor.ts";
import { portOf } from "./port.ts";

/**
 * Tensors on their way between threads. A parcel goes from one thread to the next, in the list of what is transferred,
 * and nothing but its address does: the tensors become part of a thread's memory where the parcel is opened, and only
 * that thread's garbage collector has to do with them. It is opened or given up once.
 */
export interface Parcel {
  /** Gives up what is in it. */
  close(): void;
}

/** Makes a parcel of tensors; their memory goes into it, and the arrays that were given are empty afterwards. */
export function parcelOf(tensors: Tensors): Parcel {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(tensors, buffersOf(tensors));
  // What was posted stays in the other end, wherever that goes, also when this thread ends.
  port1.close();
  return port2;
}

/** Opens a parcel. @throws Error for one that was opened before */
export function tensorsIn(parcel: Parcel): Tensors {
  const received = receiveMessageOnPort(portOf(parcel)) as { readonly message: Tensors } | undefined;
  parcel.close();
  if (received === undefined) throw new Error("a parcel without tensors");
  return received.message;
}

/** Gives up a parcel that nobody wants any more. */
export function discard(parcel: Parcel): void {
  parcel.close();
}

/** The memory of tensors, each piece once. */
function buffersOf(tensors: Tensors): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of tensors.values())
    if (!Array.isArray(data) && data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
  return [...buffers];
}
