import { answerAll } from "../threads/answer.ts";
import { parcelOf } from "../threads/parcel.ts";
import { portOf } from "../threads/port.ts";
import { readFor, type ReadRequest } from "./read.ts";
import type { Delivery } from "./reader.ts";

/*
 * The thread that reads adapters: what takes long (files, checks of every number, conversions) happens here, one
 * adapter after another, and what comes out is handed over without a copy.
 */
answerAll(
  (request: ReadRequest): Delivery => {
    const { tensors, base } = readFor(request);
    return { parcel: parcelOf(tensors), base };
  },
  ({ parcel }) => [portOf(parcel)],
);
