/** What a matcher gives a runner. */
export interface Outcome {
  readonly pass: boolean;
  readonly message: () => string;
}

/** What the matchers know of the test that calls them. */
export interface TestContext {
  /** The file of the test. */
  readonly testPath: string;
  readonly isNot: boolean;
  /** What may be written, as with snapshots: everything (-u), what is missing, or nothing (--ci). */
  readonly update: "all" | "new" | "none";
  /** Tells the runner what was written, for its summary. */
  readonly count: (what: "added" | "updated") => void;
}

/** What both runners give to a matcher as `this`, as far as it is read here. */
export interface RunnerState {
  readonly testPath?: string | undefined;
  readonly isNot?: boolean | undefined;
  readonly snapshotState?: unknown;
}

/** Reads a runner's state. @throws TypeError outside of a test */
export function contextOf({ testPath, isNot, snapshotState }: RunnerState): TestContext {
  if (testPath === undefined) throw new TypeError("toMatchGoldenGraph is called outside of a test file");
  const state = (snapshotState ?? {}) as Record<string, unknown>;
  const asked = state["_updateSnapshot"];
  return {
    testPath,
    isNot: isNot === true,
    update: asked === "all" || asked === "new" ? asked : "none",
    count: (what) => {
      // Both runners count by these fields; vitest's are objects that take part in sums.
      if (state[what] !== undefined) state[what] = Number(state[what]) + 1;
    },
  };
}
