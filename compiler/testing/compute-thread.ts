import { parentPort, workerData } from "node:worker_threads";
import { sentError, type SentError } from "../../runtime/threads/errors.ts";
import { reportText } from "../../runtime/verify/report.ts";
import { verifyCompiled } from "../compile/verify/verify-compiled.ts";
import type { ComputeOptions } from "./compute.ts";

/** What is compared. */
export interface ComputeRequest {
  readonly base: string;
  readonly file: string;
  readonly options: ComputeOptions;
}

/** What came of it. */
export type Computed = { readonly same: boolean; readonly text: string } | { readonly error: SentError };

/*
 * The thread in which graphs are compared: jest gives each test globals of its own, typed arrays among them, which
 * onnxruntime's binding does not take.
 */
async function computed({ base, file, options }: ComputeRequest): Promise<Computed> {
  try {
    const report = await verifyCompiled(base, file, options);
    return { same: report.same, text: reportText(report) };
  } catch (cause) {
    return { error: sentError(cause) };
  }
}

parentPort?.postMessage(await computed(workerData as ComputeRequest));
