import path from "node:path";
import ts from "typescript";

const repository = path.resolve(import.meta.dirname, "../..");

/** A message of the compiler, by the file and the text of the line that it is at. */
export interface Problem {
  readonly file: string;
  readonly line: string;
  readonly text: string;
}

const options: ts.CompilerOptions = {
  ...{ strict: true, noEmit: true, skipLibCheck: true, types: ["node"] },
  ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noUnusedLocals: true },
  ...{
    noUnusedParameters: true,
    isolatedModules: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
  },
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  allowImportingTsExtensions: true,
};

/** What `tsc --strict` says of files, given by name: they lie beside each other, in a project with this repository's packages. */
export function problemsIn(files: Readonly<Record<string, string>>): readonly Problem[] {
  const folder = path.join(repository, "out", "types");
  const texts = new Map(Object.entries(files).map(([name, text]) => [path.join(folder, name), text]));
  const host = ts.createCompilerHost(options);
  const own = { ...host };
  host.fileExists = (file) => texts.has(path.normalize(file)) || own.fileExists(file);
  host.readFile = (file) => texts.get(path.normalize(file)) ?? own.readFile(file);
  host.getSourceFile = (file, version) => {
    const text = texts.get(path.normalize(file));
    return text === undefined ? own.getSourceFile(file, version) : ts.createSourceFile(file, text, version);
  };
  host.directoryExists = (name) => name === folder || own.directoryExists?.(name) !== false;
  host.getCurrentDirectory = () => repository;
  const program = ts.createProgram([...texts.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const at = file === undefined || start === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line;
    const lines = file?.text.split("\n") ?? [];
    const marked = file === undefined ? "" : (lines[at] ?? "").trim();
    const name = path.basename(file?.fileName ?? "");
    return { file: name, line: marked, text: ts.flattenDiagnosticMessageText(messageText, " ") };
  });
}
