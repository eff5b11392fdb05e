import { readFileSync } from "node:fs";
import { parseOptions, type CaseOptions } from "./case-options.ts";

/** A golden case as its file says it. `test/README.md` describes the format. */
export interface Case {
  readonly file: string;
  readonly about: string;
  readonly options: CaseOptions;
  /** A model in ONNX's textual syntax. */
  readonly input: string;
  /** The model after the passes; null where a pass is expected to refuse it. */
  readonly expected: string | null;
  /** What the passes say, as a terminal shows it. */
  readonly diagnostics: string;
  /** Shapes of graph inputs to run both models with, by name; null when they are not run. */
  readonly feeds: Readonly<Record<string, readonly number[]>> | null;
}

/** The sections of a case, in the order in which they are written. */
const sectionNames = ["about", "options", "feeds", "input", "expected", "diagnostics"] as const;
type SectionName = (typeof sectionNames)[number];
type Sections = ReadonlyMap<SectionName, string>;

/** Reads a case. @throws Error that names the file and what is wrong with it */
export function readCase(file: string): Case {
  const fail = (why: string): never => {
    throw new Error(`${file}: ${why}`);
  };
  const sections = parseSections(readFileSync(file, "utf8"), fail);
  const feeds = sections.get("feeds");
  return {
    file,
    about: sections.get("about") ?? fail("it has no section about"),
    options: parseOptions(sections.get("options") ?? "", fail),
    input: sections.get("input") ?? fail("it has no section input"),
    expected: sections.get("expected") ?? null,
    diagnostics: sections.get("diagnostics") ?? "",
    feeds: feeds === undefined ? null : (JSON.parse(feeds) as Case["feeds"]),
  };
}

/** The text of the case's file with other results in it. */
export function withResults(file: string, results: Pick<Case, "expected" | "diagnostics">): string {
  const sections = new Map(
    parseSections(readFileSync(file, "utf8"), (why) => {
      throw new Error(`${file}: ${why}`);
    }),
  );
  for (const name of ["expected", "diagnostics"] as const) {
    const text = results[name];
    if (text === null || text === "") sections.delete(name);
    else sections.set(name, text);
  }
  return sectionNames
    .flatMap((name) => {
      const text = sections.get(name);
      return text === undefined ? [] : [`--- ${name}\n${text}\n`];
    })
    .join("\n");
}

/** Sections between lines such as `--- input`, without the empty lines around their text. */
function parseSections(text: string, fail: (why: string) => never): Sections {
  const [before, ...parts] = `\n${text}`.split(/\n--- *([^\n]*)(?:\n|$)/);
  if (before?.trim() !== "") fail("there is text before the first section");
  const sections = new Map<SectionName, string>();
  for (let i = 0; i < parts.length; i += 2) {
    const name = sectionNames.find((known) => known === parts[i]?.trim());
    if (name === undefined) return fail(`"${parts[i]}" is no section: ${sectionNames.join(", ")}`);
    if (sections.has(name)) fail(`it has two sections ${name}`);
    sections.set(name, (parts[i + 1] ?? "").replace(/^(?: *\n)+|\s+$/g, ""));
  }
  return sections;
}
