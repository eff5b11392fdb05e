import { MessagePort } from "node:worker_threads";
import type { Parcel } from "./parcel.ts";

/**
 * The port that a parcel is, for lists of what is transferred. The types of the package do not say that it is one: its
 * users may have no types of Node.
 *
 * @throws Error for what is no parcel
 */
export function portOf(parcel: Parcel): MessagePort {
  if (parcel instanceof MessagePort) return parcel;
  throw new Error("a parcel that is no port");
}
