import type { ServerResponse } from "node:http";
import type { Model } from "../model/types.ts";
import type { KeyCheck } from "./key.ts";
import type { Names } from "./names.ts";
import type { ServeLimits } from "./options.ts";
import type { Places } from "./places.ts";
import type { Visit } from "./visit.ts";

/** What the routes work with. */
export interface Service {
  readonly model: Model;
  readonly names: Names;
  readonly limits: ServeLimits;
  readonly places: Places;
  readonly checkKey: KeyCheck;
  /** Seconds since 1970 at which the server started. */
  readonly began: number;
  /** Whether new requests are refused. */
  isStopping(): boolean;
  /** Whether the model has stopped running, so that nothing is answered any more. */
  hasFailed(): boolean;
  /** Begins the record of a request. */
  begin(response: ServerResponse): Visit;
}
