/**
 * Matchers for graphs in vitest: `import "@tokenformer/tfc/vitest"` in a test, or in `setupFiles`.
 *
 * @packageDocumentation
 */
import { expect } from "vitest";
import { matchers, type GraphMatchers } from "./matchers.ts";

export type { ComputeOptions, GoldenOptions, GraphMatchers, RunOnOptions, TestedGraph } from "./matchers.ts";

expect.extend(matchers);

declare module "vitest" {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars, @typescript-eslint/no-explicit-any, @typescript-eslint/no-empty-object-type
  interface Matchers<T = any> extends GraphMatchers {}
}
