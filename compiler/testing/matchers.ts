import { computesLike, type ComputeOptions } from "./compute.ts";
import { contextOf, type Outcome, type RunnerState } from "./context.ts";
import { matchGolden, type GoldenOptions } from "./golden.ts";
import { runsOn, type RunOnOptions } from "./placement.ts";
import type { TestedGraph } from "./graph-file.ts";
import type { Provider } from "../ops/providers.ts";

export type { ComputeOptions, GoldenOptions, RunOnOptions, TestedGraph };

/** The matchers, as both runners take them. */
export const matchers = {
  toMatchGoldenGraph(this: RunnerState, graph: unknown, name: unknown, options?: unknown): Outcome {
    return matchGolden(graph, name, options, contextOf(this));
  },
  toComputeLike(
    this: RunnerState,
    graph: unknown,
    base: unknown,
    options?: ComputeOptions,
  ): Promise<Outcome> {
    return computesLike(graph, base, options);
  },
  toRunOn(this: RunnerState, graph: unknown, provider: unknown, options?: RunOnOptions): Outcome {
    return runsOn(graph, provider, options);
  },
};

/** The matchers as tests call them. `R` is what a matcher gives: nothing, or a promise behind `resolves`. */
export interface GraphMatchers<R = void> {
  /**
   * Holds a graph against a golden one: `__golden__/NAME.onnxtxt` beside the test, which the first run writes and the
   * runner's -u rewrites. Structure, attributes, types, shapes and small constants count; names of values do not.
   */
  toMatchGoldenGraph(name: string, options?: GoldenOptions): R;
  /** Runs graph and base in onnxruntime on the same inputs, and compares every output. To be awaited. */
  toComputeLike(base: TestedGraph, options?: ComputeOptions): Promise<void>;
  /** Says whether all nodes but those that compute shapes run on a provider. */
  toRunOn(provider: Provider, options?: RunOnOptions): R;
}
