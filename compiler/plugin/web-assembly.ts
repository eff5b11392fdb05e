import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** A file of code that a bundler has made. */
export interface MadeCode {
  /** Its place in the output. */
  readonly file: string;
  readonly code: () => string;
  /** Absolute paths of the modules in it. */
  readonly modules: readonly string[];
}

/** A file that code looks for beside itself. */
export interface SoughtFile {
  readonly from: string;
  readonly to: string;
}

/** Modules of onnxruntime-web as they are installed. */
const ONNXRUNTIME_WEB = /[\\/]onnxruntime-web[\\/]dist[\\/][^\\/]+\.m?js$/;

/**
 * The WebAssembly that onnxruntime-web's code looks for beside itself. vite, webpack and rspack put it into their output,
 * and write another name where it is looked for; the other bundlers move the code, and leave the file where it was.
 */
export function soughtWebAssembly({ file, code, modules }: MadeCode): readonly SoughtFile[] {
  const folders = new Set(modules.filter((path) => ONNXRUNTIME_WEB.test(path)).map((path) => dirname(path)));
  if (folders.size === 0) return [];
  const names = new Set(
    [...code().matchAll(/new URL\(\s*["'`]([\w.-]+\.wasm)["'`]/g)].map(([, name = ""]) => name),
  );
  return [...folders].flatMap((folder) =>
    [...names]
      .map((name) => ({ from: join(folder, name), to: join(dirname(file), name) }))
      .filter(({ from }) => existsSync(from)),
  );
}
