import { receivedError } from "../../runtime/threads/errors.ts";
import { startThread } from "../../runtime/threads/start.ts";
import type { VerifyCompiledOptions } from "../compile/verify/verify-compiled.ts";
import type { Computed, ComputeRequest } from "./compute-thread.ts";
import type { Outcome } from "./context.ts";
import { graphFile } from "./graph-file.ts";

/** How two graphs are held against each other: options of `verifyCompiled`. */
export type ComputeOptions = Pick<
  VerifyCompiledOptions,
  | "tolerance"
  | "toleranceExact"
  | "toleranceUlps"
  | "levels"
  | "cases"
  | "seed"
  | "symbols"
  | "provider"
  | "load"
  | "adapterIds"
>;

/**
 * Runs a graph and its base in onnxruntime on the same made-up inputs, and compares every output.
 *
 * @throws TypeError of what is no graph; TfcError RUNTIME_MISSING without onnxruntime-node, and what `verifyCompiled` throws
 */
export async function computesLike(
  graph: unknown,
  base: unknown,
  options: ComputeOptions = {},
): Promise<Outcome> {
  const [file, other] = [graphFile(graph), graphFile(base, "what the graph is to compute like")];
  const { tolerance } = options;
  if (tolerance !== undefined && !(typeof tolerance === "number" && tolerance >= 0))
    throw new TypeError("`tolerance` is a number, 0 or more");
  const found = await inThread({
    ...{ base: other, file },
    // One tolerance is meant for both levels; without one the levels have their own.
    options: {
      ...(tolerance === undefined ? {} : { toleranceExact: options.toleranceExact ?? tolerance }),
      ...options,
    },
  });
  if ("error" in found) throw receivedError(found.error);
  const { same, text } = found;
  return {
    pass: same,
    message: () =>
      same
        ? `${file} computes what ${other} computes, and was to compute something else\n\n${text}`
        : `${file} computes something else than ${other}\n\n${text}`,
  };
}

function inThread(request: ComputeRequest): Promise<Computed> {
  return new Promise((resolve, reject) => {
    const thread = startThread("compute-thread", { workerData: request });
    thread.once("message", (found: Computed) => {
      resolve(found);
      void thread.terminate();
    });
    thread.once("error", reject);
  });
}
