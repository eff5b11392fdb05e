/**
 * Matchers for graphs in jest: `import "@tokenformer/tfc/jest"` in a test, or in `setupFilesAfterEnv`.
 *
 * @packageDocumentation
 */
import { expect } from "@jest/globals";
import { matchers, type GraphMatchers } from "./matchers.ts";

export type { ComputeOptions, GoldenOptions, GraphMatchers, RunOnOptions, TestedGraph } from "./matchers.ts";

expect.extend(matchers);

declare module "expect" {
  // What jest calls T is the value under test.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars, @typescript-eslint/no-empty-object-type
  interface Matchers<R extends void | Promise<void>, T = unknown> extends GraphMatchers<R> {}
}

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace jest {
    // As @types/jest and vitest have it: declarations of one interface must have the same parameters.
    // eslint-disable-next-line @typescript-eslint/no-unused-vars, @typescript-eslint/no-empty-object-type
    interface Matchers<R, T = {}> extends GraphMatchers<R> {}
  }
}
