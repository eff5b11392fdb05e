import { fileURLToPath } from "node:url";
import { lookAt } from "../onnx/open-failure.ts";

/** What stands for a graph in a test: a path, a URL of a file, what `compile` gives, or a session of tfc's runtime. */
export type TestedGraph = string | URL | { readonly output: string } | { readonly file: string };

/** The file of a graph. @throws TypeError of what is no graph, and where there is no file */
export function graphFile(graph: unknown, what = "the value"): string {
  const file = pathOf(graph);
  if (file === null) {
    const found = graph === null ? "null" : Array.isArray(graph) ? "a list" : typeof graph;
    throw new TypeError(
      `${what} is no graph: wanted the path of an .onnx file, or what \`compile\` gives, found ${found}${graph instanceof Promise ? ": await it" : ""}`,
    );
  }
  const there = lookAt(file);
  if (there?.isFile() === true) return file;
  throw new TypeError(
    `${what} is no graph: ${there === null ? "there is nothing" : "there is a folder"} at ${file}`,
  );
}

function pathOf(graph: unknown): string | null {
  if (typeof graph === "string") return graph;
  if (graph instanceof URL) return graph.protocol === "file:" ? fileURLToPath(graph) : null;
  if (typeof graph !== "object" || graph === null) return null;
  for (const key of ["output", "file"])
    if (key in graph) {
      const value = (graph as Readonly<Record<string, unknown>>)[key];
      if (typeof value === "string") return value;
    }
  return null;
}
