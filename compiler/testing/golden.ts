import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { Sink } from "../diagnostics/sink.ts";
import { openModel } from "../onnx/open.ts";
import { canonicalText } from "./canonical.ts";
import { differenceText } from "./difference.ts";
import { graphFile } from "./graph-file.ts";
import { labelsOf } from "./labels.ts";
import { comparable } from "./lines.ts";
import type { Outcome, TestContext } from "./context.ts";

/** How a graph is held against a golden one. */
export interface GoldenOptions {
  /** The folder of golden files, relative to the test's. Default `__golden__`. */
  readonly folder?: string;
  /** Whether weights are compared by a hash of their bytes; else by type and shape. Default false. */
  readonly weights?: boolean;
}

/** The texts that this process has held against each file: one golden file is of one graph. */
const seen = new Map<string, string>();

/**
 * Holds a graph against the golden one of a name, or writes that, as the runner does with snapshots.
 *
 * @throws TypeError of what is no graph, and of a name or options that are none; TfcError of a model that cannot be read
 */
export function matchGolden(graph: unknown, name: unknown, options: unknown, context: TestContext): Outcome {
  const { folder, weights } = checkedOptions(options);
  const golden = goldenFile(name, folder, context);
  const { model } = openModel(graphFile(graph), new Sink());
  const found = canonicalText(model, { weights, comment: labelsOf(model) });
  const there = existsSync(golden) ? readFileSync(golden, "utf8") : null;
  const same = there !== null && comparable(there) === comparable(found);
  if (same || context.isNot) {
    const pass = same || (context.isNot && there === null);
    return { pass, message: () => notText(golden, there !== null) };
  }
  const isWritten = context.update === "all" || (there === null && context.update === "new");
  if (isWritten) return written(golden, found, there === null, context);
  return {
    pass: false,
    message: () => (there === null ? missingText(golden) : differs(golden, there, found)),
  };
}

function written(golden: string, found: string, isNew: boolean, context: TestContext): Outcome {
  const before = seen.get(golden);
  if (before !== undefined && before !== comparable(found))
    throw new TypeError(`two graphs that differ have the golden file ${golden}: give each a name of its own`);
  seen.set(golden, comparable(found));
  mkdirSync(dirname(golden), { recursive: true });
  // Tests run side by side: each reads a whole file, or none.
  const temporary = `${golden}.${process.pid}.tmp`;
  writeFileSync(temporary, found);
  renameSync(temporary, golden);
  context.count(isNew ? "added" : "updated");
  return { pass: true, message: () => notText(golden, true) };
}

function goldenFile(name: unknown, folder: string, { testPath }: TestContext): string {
  if (typeof name !== "string" || !/^[\p{L}\p{N}][\p{L}\p{N} ._-]*$/u.test(name)) {
    const found = typeof name === "string" ? JSON.stringify(name) : typeof name;
    throw new TypeError(
      `the name of a golden graph is a file's name, of letters, digits, spaces, ".", "_" and "-", found ${found}`,
    );
  }
  return resolve(dirname(testPath), join(folder, `${name}.onnxtxt`));
}

function checkedOptions(options: unknown): Required<GoldenOptions> {
  if (options !== undefined && (typeof options !== "object" || options === null))
    throw new TypeError("the options of toMatchGoldenGraph are an object: { folder, weights }");
  const { folder = "__golden__", weights = false, ...others } = (options ?? {}) as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new TypeError(`toMatchGoldenGraph has no option \`${other}\`: folder, weights`);
  if (typeof folder !== "string" || typeof weights !== "boolean")
    throw new TypeError("the options of toMatchGoldenGraph are { folder: a path, weights: true or false }");
  return { folder, weights };
}

function differs(golden: string, there: string, found: string): string {
  return `the graph differs from ${relative(process.cwd(), golden)}\n\n${differenceText(there, found)}\n\nIf that is meant, run the tests with -u and commit the file.`;
}

function missingText(golden: string): string {
  return `there is no golden graph ${relative(process.cwd(), golden)}, and this run writes none: run the tests once without --ci, and commit the file`;
}

function notText(golden: string, isThere: boolean): string {
  return isThere
    ? `the graph equals ${golden}, and was to differ`
    : `there is no golden graph ${golden} that the graph could differ from`;
}
