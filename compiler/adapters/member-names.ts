import path from "node:path";

/**
 * Names for the members of a bank, from the files or folders they were loaded from: what stands last in the path,
 * without the ending of a format, and as much before it as tells one from the others.
 */
export function memberNames(files: readonly string[]): readonly string[] {
  const paths = files.map((file) => path.normalize(file).split(path.sep).filter(isName).map(withoutEnding));
  const names: string[] = [];
  for (const [member, own] of paths.entries()) {
    const others = paths.filter((_, i) => i !== member);
    const lengths = Array.from({ length: own.length }, (_, i) => i + 1);
    const length = lengths.find((one) => !others.some((other) => tail(other, one) === tail(own, one)));
    const name = tail(own, length ?? own.length);
    // The same file twice.
    names.push(length === undefined || names.includes(name) ? `${name}#${member}` : name);
  }
  return names;
}

function isName(segment: string): boolean {
  return segment !== "" && segment !== ".";
}

function withoutEnding(segment: string, i: number, all: readonly string[]): string {
  return i === all.length - 1 ? segment.replace(/\.(safetensors|onnx_adapter|pt|pth|bin)$/, "") : segment;
}

function tail(segments: readonly string[], length: number): string {
  return segments.slice(-length).join("/");
}
