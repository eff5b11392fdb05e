import { spawnSync } from "node:child_process";

/** An interpreter with a package: TFC_PYTHON, else python3 where it has it; null where there is none. */
export function pythonWith(name: string): string | null {
  const hasIt = (command: string): boolean =>
    spawnSync(command, ["-c", `import ${name}`], { timeout: 60_000 }).status === 0;
  return [process.env["TFC_PYTHON"], "python3"].filter((one) => one !== undefined).find(hasIt) ?? null;
}

export const python = pythonWith("onnx");

const script = `
import json, sys, onnx
said = []
for file in json.load(sys.stdin):
    try:
        onnx.checker.check_model(file)
        said.append(None)
    except Exception as error:
        said.append(str(error).split("\\n")[0])
json.dump(said, sys.stdout)
`;

/** What onnx.checker says of each file; null of a valid one. */
export function onnxChecker(files: readonly string[]): readonly (string | null)[] {
  if (python === null) throw new Error("no Python with onnx");
  const input = JSON.stringify(files);
  const { status, stdout, stderr } = spawnSync(python, ["-c", script], {
    input,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as (string | null)[];
}
