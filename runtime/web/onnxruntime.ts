import { host as node } from "./onnxruntime-node.ts";
import { host as web } from "./onnxruntime-web.ts";
import type { OrtHost } from "./ort.ts";

/** The one of both that fits where this runs. */
export const host: OrtHost =
  typeof process === "object" && typeof process.versions === "object" && "node" in process.versions
    ? node
    : web;
